//! `matchConditions`: CEL that administrators write.

use crate::request::Request;

/// A compiled condition.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    name: String,
}

/// Why an expression is refused.
pub(crate) struct ConditionError {
    pub message: String,
    pub hint: Option<String>,
}

/// What expressions may name.
pub(crate) struct Variables<'r> {
    request: &'r Request<'r>,
}

impl<'r> Variables<'r> {
    pub(crate) fn new(request: &'r Request<'_>) -> Self {
        Self { request }
    }
}

impl Condition {
    pub(crate) fn compile(name: &str, expression: &str) -> Result<Self, ConditionError> {
        let _ = expression;
        Ok(Self { name: name.to_owned() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn evaluate(&self, variables: &Variables<'_>) -> Result<bool, String> {
        let _ = variables.request;
        Ok(true)
    }
}
