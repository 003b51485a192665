//! Checks an expression when its policy is loaded, and finds the paths that it names.

use std::borrow::Cow;

use cel::Env;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use cel::parser::ParseErrors;

use super::limits::{MAX_BRACKETS, MAX_EXPRESSION, MAX_OPERATORS, MAX_PATTERN, PLAIN, WITH_MACRO, WITH_MAP};
use super::variables::{REQUEST_FIELDS, Root, Wanted};
use super::{ConditionError, guarded};
use crate::prune::{Budget, EACH};

/// An expression that may be evaluated.
pub(super) struct Checked {
    pub wanted: Wanted,
    pub budget: Budget,
}

/// Refuses what cannot work, and what could cost too much.
pub(super) fn check(text: &str) -> Result<Checked, ConditionError> {
    check_size(text)?;
    // Without macros, so that `all` and `has` are still calls of that name.
    let parsed = guarded(|| Env::default().parser().parse(text))
        .and_then(|parsed| parsed.map_err(|errors| syntax_error(&errors)))?;
    let mut walk = Walk { wanted: Wanted::default(), budget: PLAIN };
    let end = walk.walk(&parsed, None)?;
    walk.want(end);
    Ok(Checked { wanted: walk.wanted, budget: walk.budget })
}

/// The parser's first complaint, on one line.
pub(super) fn syntax_error(errors: &ParseErrors) -> ConditionError {
    let first = errors.errors.first().map(|error| {
        let message = error.msg.lines().next().unwrap_or_default().to_owned();
        format!("{message} (line {}, column {})", error.pos.0.max(1), error.pos.1.max(1))
    });
    ConditionError { message: format!("not a CEL expression: {}", first.unwrap_or_default()), hint: None }
}

/// What is refused before the parser sees it: parser and evaluator recurse, and an overflow of the stack cannot be caught.
/// Texts inside quotes count too; that errs on the safe side.
fn check_size(text: &str) -> Result<(), ConditionError> {
    let refuse = |message: String, hint: &str| Err(ConditionError { message, hint: Some(hint.to_owned()) });
    if text.trim().is_empty() {
        return refuse("the expression is empty".to_owned(), "leave the condition out");
    }
    if text.len() > MAX_EXPRESSION {
        return refuse(
            format!("the expression is {} bytes long; at most {MAX_EXPRESSION}", text.len()),
            "write several conditions: all must be true",
        );
    }
    let count = |chars: &[char]| text.chars().filter(|c| chars.contains(c)).count();
    let operators = count(&['+', '-', '*', '/', '%', '!', '?', '.', '<', '>', '=', '&', '|', ',', ':', '[', '(', '{']);
    if operators > MAX_OPERATORS {
        return refuse(
            format!("the expression has {operators} operators and members; at most {MAX_OPERATORS}"),
            "write several conditions: all must be true",
        );
    }
    let brackets = count(&['(', '[', '{']);
    if brackets > MAX_BRACKETS {
        return refuse(
            format!("the expression has {brackets} brackets; at most {MAX_BRACKETS}"),
            "write several conditions: all must be true",
        );
    }
    Ok(())
}

/// What an expression denotes: a path into a variable, or a value of its own.
#[derive(Clone, Debug)]
enum End {
    Path(Root, Vec<String>),
    Value,
}

/// The variable of the macro whose body is being walked. Macros are not nested, so there is one.
#[derive(Clone, Debug)]
struct Bound<'e> {
    name: &'e str,
    end: End,
}

struct Walk {
    wanted: Wanted,
    budget: Budget,
}

impl Walk {
    /// Wants all of a path: its value is used.
    fn want(&mut self, end: End) {
        if let End::Path(root, path) = end {
            self.wanted.of_mut(root).add(path.into_iter().map(Cow::Owned));
        }
    }

    fn want_whole(&mut self, expr: &IdedExpr, bound: Option<&Bound<'_>>) -> Result<(), ConditionError> {
        let end = self.walk(expr, bound)?;
        self.want(end);
        Ok(())
    }

    fn walk(&mut self, expr: &IdedExpr, bound: Option<&Bound<'_>>) -> Result<End, ConditionError> {
        match &expr.expr {
            Expr::Unspecified => refuse("a part of the expression is missing"),
            Expr::Literal(_) => Ok(End::Value),
            Expr::Ident(name) => variable(name, bound),
            Expr::Select(select) => self.select(select, bound),
            Expr::Call(call) => self.call(call, bound),
            Expr::List(list) => {
                for element in &list.elements {
                    self.element(element, bound)?;
                }
                Ok(End::Value)
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.element(&entry.key, bound)?;
                        self.element(&entry.value, bound)?;
                    }
                }
                Ok(End::Value)
            }
            Expr::Struct(literal) => refuse(&format!("`{}` is not a known type", literal.type_name)),
            Expr::Comprehension(_) => refuse("macros that the library expands by itself are not supported"),
        }
    }

    /// An element of a list or map that is written out. In a macro it is made anew for each element, so it must be small.
    fn element(&mut self, expr: &IdedExpr, bound: Option<&Bound<'_>>) -> Result<(), ConditionError> {
        if bound.is_some() && !matches!(expr.expr, Expr::Literal(_)) {
            return refuse("inside a macro, a list or map may hold only literals");
        }
        self.want_whole(expr, bound)
    }

    fn select(&mut self, select: &SelectExpr, bound: Option<&Bound<'_>>) -> Result<End, ConditionError> {
        let operand = self.walk(&select.operand, bound)?;
        step(operand, &select.field)
    }

    fn call(&mut self, call: &CallExpr, bound: Option<&Bound<'_>>) -> Result<End, ConditionError> {
        let name = call.func_name.as_str();
        match (name, &call.target, call.args.as_slice()) {
            (operators::HAS, None, [IdedExpr { expr: Expr::Select(select), .. }]) => {
                if let End::Path(root, path) = self.select(select, bound)? {
                    self.wanted.of_mut(root).add_presence(path.into_iter().map(Cow::Owned));
                }
                Ok(End::Value)
            }
            (operators::OPT_SELECT, None, [operand, field]) => {
                let operand = self.walk(operand, bound)?;
                match literal_text(field) {
                    Some(field) => step(operand, field),
                    None => refuse("`.?` takes a field's name"),
                }
            }
            (operators::INDEX | operators::OPT_INDEX, None, [operand, index]) => {
                let operand = self.walk(operand, bound)?;
                match literal_text(index) {
                    Some(key) => step(operand, key),
                    None => {
                        self.want_whole(index, bound)?;
                        step(operand, EACH)
                    }
                }
            }
            (_, Some(range), [IdedExpr { expr: Expr::Ident(variable), .. }, body @ ..])
                if MACROS.contains(&name) && !body.is_empty() =>
            {
                self.comprehension(name, range, variable, body, bound)
            }
            _ => self.function(call, bound),
        }
    }

    fn comprehension(
        &mut self,
        name: &str,
        range: &IdedExpr,
        variable: &str,
        body: &[IdedExpr],
        bound: Option<&Bound<'_>>,
    ) -> Result<End, ConditionError> {
        if bound.is_some() {
            return refuse(&format!("`{name}` is nested in another macro"));
        }
        if matches!(&range.expr, Expr::Call(inner) if inner.target.is_some() && inner.func_name == operators::MAP) {
            return refuse(&format!("`{name}` ranges over the result of `map`"));
        }
        let limit = if name == operators::MAP { WITH_MAP } else { WITH_MACRO };
        self.budget = Budget { nodes: self.budget.nodes.min(limit.nodes), text: self.budget.text.min(limit.text) };
        let range = self.walk(range, None)?;
        let element = step(range.clone(), EACH)?;
        if let End::Path(root, path) = element.clone() {
            // However little the body reads, it is asked once for each element.
            self.wanted.of_mut(root).add_presence(path.into_iter().map(Cow::Owned));
        }
        let bound = Bound { name: variable, end: element };
        for part in body {
            self.want_whole(part, Some(&bound))?;
        }
        // What `filter` leaves are the elements themselves.
        Ok(if name == operators::FILTER { range } else { End::Value })
    }

    fn function(&mut self, call: &CallExpr, bound: Option<&Bound<'_>>) -> Result<End, ConditionError> {
        let name = call.func_name.as_str();
        let is_optional_library = matches!(&call.target.as_deref().map(|target| &target.expr), Some(Expr::Ident(library)) if library == "optional");
        let is_known = match (&call.target, is_optional_library) {
            (_, true) => OPTIONAL_FUNCTIONS.contains(&name),
            (Some(_), false) => METHODS.contains(&name),
            (None, false) => FUNCTIONS.contains(&name) || OPERATORS.contains(&name),
        };
        if !is_known {
            return Err(unknown_function(name));
        }
        if name == operators::ADD && bound.is_some() {
            return refuse("`+` cannot be used inside a macro");
        }
        if name == "matches" {
            check_pattern(call.args.last())?;
        }
        if let Some(target) = call.target.as_deref().filter(|_| !is_optional_library) {
            self.want_whole(target, bound)?;
        }
        for argument in &call.args {
            self.want_whole(argument, bound)?;
        }
        Ok(End::Value)
    }
}

fn variable(name: &str, bound: Option<&Bound<'_>>) -> Result<End, ConditionError> {
    if let Some(bound) = bound.filter(|bound| bound.name == name) {
        return Ok(bound.end.clone());
    }
    if let Some(root) = Root::named(name) {
        return Ok(End::Path(root, Vec::new()));
    }
    if TYPES.contains(&name) {
        return Ok(End::Value);
    }
    Err(ConditionError {
        message: format!("`{name}` is not known here"),
        hint: Some("match conditions may name `request`, `object` and `oldObject`".to_owned()),
    })
}

/// One step into a path. Only the fields that a request has can be asked of `request`.
fn step(end: End, field: &str) -> Result<End, ConditionError> {
    let End::Path(root, mut path) = end else { return Ok(End::Value) };
    if root == Root::Request && path.is_empty() && !REQUEST_FIELDS.contains(&field) {
        return Err(ConditionError {
            message: format!("`request.{field}` is not available"),
            hint: Some(format!("`request` has {}", REQUEST_FIELDS.join(", "))),
        });
    }
    path.push(field.to_owned());
    Ok(End::Path(root, path))
}

/// The library compiles the pattern at every call, so it must be known and small.
fn check_pattern(pattern: Option<&IdedExpr>) -> Result<(), ConditionError> {
    let Some(pattern) = pattern.and_then(literal_text) else {
        return refuse("`matches` takes a pattern that is written out");
    };
    regex::RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build().map(|_| ()).map_err(|error| ConditionError {
        message: match error {
            regex::Error::CompiledTooBig(_) => format!("the pattern `{pattern}` is too costly"),
            _ => format!("`{pattern}` is not a regular expression"),
        },
        hint: None,
    })
}

fn literal_text(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn unknown_function(name: &str) -> ConditionError {
    let hint = if MACROS.contains(&name) || name == operators::HAS {
        format!("write `list.{name}(element, ..)`, or `has(object.field)`")
    } else {
        "CEL's standard functions are; of Kubernetes' own libraries (lists, sets, url, ip, quantity, format, authorizer, ..) none is".to_owned()
    };
    ConditionError { message: format!("the function `{name}` is not available in match conditions"), hint: Some(hint) }
}

fn refuse<T>(message: &str) -> Result<T, ConditionError> {
    Err(ConditionError { message: message.to_owned(), hint: None })
}

const MACROS: &[&str] =
    &[operators::ALL, operators::EXISTS, operators::EXISTS_ONE, "existsOne", operators::MAP, operators::FILTER];

const OPERATORS: &[&str] = &[
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::IN,
];

const FUNCTIONS: &[&str] =
    &["bool", "bytes", "double", "duration", "dyn", "int", "matches", "size", "string", "timestamp", "type", "uint"];

const METHODS: &[&str] = &[
    "contains",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "hasValue",
    "matches",
    "or",
    "orValue",
    "size",
    "startsWith",
    "value",
];

const OPTIONAL_FUNCTIONS: &[&str] = &["none", "of", "ofNonZeroValue"];

const TYPES: &[&str] = &["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];
