//! `matchConditions`: CEL that administrators write, as in Kubernetes. `request`, `object` and `oldObject` are read only as far as the
//! expression names them. What could exhaust the process is refused when the policy is loaded ([`expression`]).

mod expression;
mod limits;
mod variables;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::parser::Expression;
use cel::{Context, Env, ExecutionError, Value};

pub(crate) use variables::Variables;

use crate::message::clean;
use crate::prune::Budget;
use variables::Wanted;

/// A compiled condition.
#[derive(Clone)]
pub(crate) struct Condition {
    name: String,
    expression: Arc<Expression>,
    wanted: Wanted,
    budget: Budget,
}

/// Why an expression is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConditionError {
    pub message: String,
    pub hint: Option<String>,
}

/// A condition that is neither true nor false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConditionFailure {
    /// It asks who asks, and nobody did: an audit, or a file.
    NeedsUser,
    /// As text for the user.
    Failed(String),
}

impl Condition {
    /// Checks and compiles.
    pub(crate) fn compile(name: &str, expression: &str) -> Result<Self, ConditionError> {
        let checked = expression::check(expression)?;
        let parsed = guarded(|| ENV.parser().parse(expression))
            .and_then(|parsed| parsed.map_err(|errors| expression::syntax_error(&errors)))?;
        Ok(Self { name: name.to_owned(), expression: Arc::new(parsed), wanted: checked.wanted, budget: checked.budget })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it holds for a request.
    pub(crate) fn evaluate(&self, variables: &Variables<'_>) -> Result<bool, ConditionFailure> {
        if self.wanted.names_user() && !variables.has_user() {
            return Err(ConditionFailure::NeedsUser);
        }
        let mut context = Context::with_env(Arc::clone(&ENV));
        for (name, value) in variables.read(&self.wanted, self.budget).map_err(ConditionFailure::Failed)? {
            context.add_variable_from_value(name, value);
        }
        let result = guarded(|| Value::resolve(&self.expression, &context))
            .map_err(|error| ConditionFailure::Failed(error.message))?;
        match result {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(ConditionFailure::Failed(format!(
                "it is neither true nor false but a value of type {}",
                other.type_of()
            ))),
            Err(error) => Err(ConditionFailure::Failed(describe(&error))),
        }
    }
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Condition").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The library holds `unreachable!` and `expect`: a panic in it is an error of this expression, not the end of the request's task.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, ConditionError> {
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|_| ConditionError { message: "the expression library gave up on it".to_owned(), hint: None })
}

/// The library's own texts hold the values that were compared, and those may be the object's.
fn describe(error: &ExecutionError) -> String {
    let text = match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::UndeclaredReference(name) => format!("`{name}` is not known"),
        ExecutionError::NoSuchOverload(error) => error.to_string(),
        ExecutionError::IndexOutOfBounds(_) => "index out of bounds".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(operator, ..) => format!("overflow in `{operator}`"),
        ExecutionError::UnexpectedType { got, want } => format!("got a value of type {got}, want {want}"),
        ExecutionError::FunctionError { function, .. } => format!("`{function}` failed"),
        _ => "values of types that do not fit together".to_owned(),
    };
    clean(&text).chars().take(MAX_REASON).collect()
}

/// Functions and macros of CEL's standard library.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Characters.
const MAX_REASON: usize = 200;

#[cfg(test)]
mod tests;
