//! Label selectors: as administrators write them, as look-ups word them, and compiled for matching.

use crate::policy::SpecError;
use crate::resources::{LabelOperator, LabelRequirement, LabelSelector};

/// A compiled label selector. All requirements must hold; none selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: LabelOperator,
    /// Sorted.
    values: Vec<String>,
}

/// A selector text that Kubernetes would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{selector}` is not a label selector: {reason}")]
pub struct SelectorError {
    selector: String,
    reason: String,
}

impl Selector {
    /// Checks and compiles what an administrator wrote at `path`; errors are added to `errors`.
    pub(crate) fn compile(selector: &LabelSelector, path: &str, errors: &mut Vec<SpecError>) -> Self {
        let mut requirements = Vec::new();
        for (key, value) in &selector.match_labels {
            let at = format!("{path}/matchLabels/{}", crate::pointer::escape(key));
            check_key(key, &at, errors);
            check_value(value, &at, errors);
            requirements.push(Requirement {
                key: key.clone(),
                operator: LabelOperator::In,
                values: vec![value.clone()],
            });
        }
        for (index, expression) in selector.match_expressions.iter().enumerate() {
            let at = format!("{path}/matchExpressions/{index}");
            check_key(&expression.key, &format!("{at}/key"), errors);
            let wants_values = matches!(expression.operator, LabelOperator::In | LabelOperator::NotIn);
            if wants_values && expression.values.is_empty() {
                errors.push(SpecError::new(
                    format!("{at}/values"),
                    format!("`{:?}` needs at least one value", expression.operator),
                ));
            }
            if !wants_values && !expression.values.is_empty() {
                errors.push(SpecError::new(
                    format!("{at}/values"),
                    format!("`{:?}` takes no values", expression.operator),
                ));
            }
            for (n, value) in expression.values.iter().enumerate() {
                check_value(value, &format!("{at}/values/{n}"), errors);
            }
            let mut values = expression.values.clone();
            values.sort_unstable();
            requirements.push(Requirement { key: expression.key.clone(), operator: expression.operator, values });
        }
        Self { requirements }
    }

    /// As an administrator would write it, with expressions alone.
    pub fn requirements(&self) -> Vec<LabelRequirement> {
        let written = |requirement: &Requirement| LabelRequirement {
            key: requirement.key.clone(),
            operator: requirement.operator,
            values: requirement.values.clone(),
        };
        self.requirements.iter().map(written).collect()
    }

    /// Reads Kubernetes' selector syntax: `a=b,c!=d,e in (x,y),f notin (z),g,!h`.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let fail = |reason: String| SelectorError { selector: text.to_owned(), reason };
        let mut requirements = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let end = clause_end(rest);
            let (clause, tail) = rest.split_at(end);
            requirements.push(parse_clause(clause.trim()).map_err(fail)?);
            rest = match tail.strip_prefix(',') {
                None => "",
                Some(tail) if tail.trim().is_empty() => return Err(fail("it ends with a comma".to_owned())),
                Some(tail) => tail.trim_start(),
            };
        }
        Ok(Self { requirements })
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether labels, given by a way to look one up, are selected.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(label(&requirement.key)))
    }

    /// Whether there are labels that both select. Exact: keys are independent of each other.
    pub fn overlaps(&self, other: &Self) -> bool {
        let mut keys: Vec<&str> = self.requirements.iter().chain(&other.requirements).map(|r| r.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().all(|key| {
            let on_key: Vec<&Requirement> =
                self.requirements.iter().chain(&other.requirements).filter(|r| r.key == key).collect();
            let holds = |value: Option<&str>| on_key.iter().all(|requirement| requirement.holds(value));
            // Absent, one of the values that are named, or one that nobody names: there is no other kind of value.
            let unnamed: String = on_key.iter().flat_map(|r| &r.values).map(String::as_str).chain(["-"]).collect();
            holds(None)
                || holds(Some(unnamed.as_str()))
                || on_key.iter().flat_map(|r| &r.values).any(|value| holds(Some(value)))
        })
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let among = |value: &str| self.values.binary_search_by(|v| v.as_str().cmp(value)).is_ok();
        match self.operator {
            LabelOperator::In => value.is_some_and(among),
            LabelOperator::NotIn => !value.is_some_and(among),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

/// A clause ends at the first comma outside parentheses.
fn clause_end(text: &str) -> usize {
    let mut open = false;
    for (at, c) in text.char_indices() {
        match c {
            '(' => open = true,
            ')' => open = false,
            ',' if !open => return at,
            _ => {}
        }
    }
    text.len()
}

fn parse_clause(clause: &str) -> Result<Requirement, String> {
    let make = |key: &str, operator, values: Vec<String>| {
        let key = key.trim();
        if let Some(problem) = qualified_name_problem(key) {
            return Err(format!("key `{key}` {problem}"));
        }
        if let Some(bad) = values.iter().find(|value| !is_label_value(value)) {
            return Err(format!("`{bad}` is not a label value"));
        }
        let mut values = values;
        values.sort_unstable();
        Ok(Requirement { key: key.to_owned(), operator, values })
    };
    if let Some(key) = clause.strip_prefix('!') {
        return make(key, LabelOperator::DoesNotExist, Vec::new());
    }
    if let Some((key, value)) = clause.split_once("!=") {
        return make(key, LabelOperator::NotIn, vec![value.trim().to_owned()]);
    }
    if let Some((key, value)) = clause.split_once("==").or_else(|| clause.split_once('=')) {
        return make(key, LabelOperator::In, vec![value.trim().to_owned()]);
    }
    let Some((head, list)) = clause.split_once('(') else {
        return make(clause, LabelOperator::Exists, Vec::new());
    };
    let Some(list) = list.trim_end().strip_suffix(')') else {
        return Err(format!("`{clause}` has no closing parenthesis"));
    };
    let Some((key, operator)) = head.trim_end().rsplit_once(char::is_whitespace) else {
        return Err(format!("`{clause}` has no operator"));
    };
    let operator = match operator {
        "in" => LabelOperator::In,
        "notin" => LabelOperator::NotIn,
        other => return Err(format!("`{other}` is neither `in` nor `notin`")),
    };
    make(key, operator, list.split(',').map(|value| value.trim().to_owned()).collect())
}

fn check_key(key: &str, path: &str, errors: &mut Vec<SpecError>) {
    if let Some(problem) = qualified_name_problem(key) {
        errors.push(SpecError::new(path.to_owned(), format!("label key `{key}` {problem}")));
    }
}

fn check_value(value: &str, path: &str, errors: &mut Vec<SpecError>) {
    if !is_label_value(value) {
        errors.push(
            SpecError::new(path.to_owned(), format!("`{value}` is not a label value"))
                .hint("at most 63 letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit"),
        );
    }
}

/// Kubernetes' `IsQualifiedName`: `[prefix/]name`.
pub(crate) fn qualified_name_problem(key: &str) -> Option<&'static str> {
    let name = match key.split_once('/') {
        None => key,
        Some((prefix, name)) => {
            let is_dns = !prefix.is_empty()
                && prefix.len() <= 253
                && prefix.split('.').all(|label| {
                    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                    !label.is_empty() && label.bytes().all(inside) && !label.starts_with('-') && !label.ends_with('-')
                });
            if !is_dns {
                return Some("has a prefix that is not a DNS name");
            }
            name
        }
    };
    if name.is_empty() {
        return Some("has no name");
    }
    (!is_label_value(name))
        .then_some("has a name that is longer than 63 or holds something else than letters, digits, `-`, `_` and `.`")
}

/// Kubernetes' `IsValidLabelValue`; the empty text is one.
fn is_label_value(value: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn selected(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels: Vec<(String, String)> = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Selector::parse(selector).unwrap().matches(|key| labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str()))
    }

    #[test]
    fn reads_kubernetes_selector_syntax() {
        let labels = [("app", "db"), ("tier", "data")];
        for yes in [
            "",
            "app",
            "app=db",
            "app==db",
            " app = db , tier!=web ",
            "app in (web, db)",
            "tier notin (web)",
            "!role",
            "role!=x",
            "app in (db),!x",
        ] {
            assert!(selected(yes, &labels), "{yes}");
        }
        for no in [
            "app=web",
            "!app",
            "role",
            "app in (web)",
            "tier notin (data,web)",
            "app!=db",
            "app=db,tier=web",
            "role in (a)",
        ] {
            assert!(!selected(no, &labels), "{no}");
        }
    }

    #[test]
    fn refuses_what_kubernetes_refuses() {
        for bad in
            ["app=", "=x", "app in", "app in (x", "app of (x)", "a b", "app=db,", ",", "app=a/b", "-a=b", "app=é"]
        {
            // `app=` selects the empty value.
            assert_eq!(Selector::parse(bad).is_err(), bad != "app=", "{bad}");
        }
    }

    fn any_requirement() -> impl Strategy<Value = Requirement> {
        let values = proptest::collection::btree_set("[abc]", 1..3);
        let operator = prop_oneof![
            Just(LabelOperator::In),
            Just(LabelOperator::NotIn),
            Just(LabelOperator::Exists),
            Just(LabelOperator::DoesNotExist)
        ];
        ("[xy]", operator, values).prop_map(|(key, operator, values)| {
            let values = if matches!(operator, LabelOperator::In | LabelOperator::NotIn) {
                values.into_iter().collect()
            } else {
                Vec::new()
            };
            Requirement { key, operator, values }
        })
    }

    fn any_selector() -> impl Strategy<Value = Selector> {
        proptest::collection::vec(any_requirement(), 0..4).prop_map(|requirements| Selector { requirements })
    }

    proptest! {
        /// `overlaps` says no exactly when none of all label sets over the values that occur (and one that does not) is selected by both.
        #[test]
        fn overlap_agrees_with_trying_all_labels(a in any_selector(), b in any_selector()) {
            let domain = [None, Some("a"), Some("b"), Some("c"), Some("other")];
            let tried = domain.iter().any(|x| domain.iter().any(|y| {
                let label = |key: &str| if key == "x" { *x } else { *y };
                a.matches(label) && b.matches(label)
            }));
            prop_assert_eq!(a.overlaps(&b), tried);
        }
    }
}
