//! What repairs a finding, where there is one right answer.

use serde::Serialize;

use crate::bindings::stateward::policy::types::Change;
use crate::changes::json;

/// An RFC 6902 patch in the making. `check --fix` writes it into the owner's file: only what follows from the object or the rule itself, with nothing to
/// choose from, and nothing that another rule refuses.
#[derive(Clone, Debug, Default)]
pub struct Remedy(Vec<String>);

#[derive(Serialize)]
struct Operation<'p, T> {
    op: &'static str,
    path: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<T>,
}

impl Remedy {
    /// Writes a member of an object, whether it is there or not. The object must be.
    pub fn set(path: impl Into<String>, value: impl Serialize) -> Self {
        Self::default().push("add", &path.into(), Some(value))
    }

    /// Takes away what is there.
    pub fn remove(path: impl Into<String>) -> Self {
        Self::default().and_remove(path)
    }

    /// Takes something else away as well.
    #[must_use]
    pub fn and_remove(self, path: impl Into<String>) -> Self {
        self.push("remove", &path.into(), None::<()>)
    }

    pub(crate) fn into_change(self) -> Change {
        Change::JsonPatch(format!("[{}]", self.0.join(",")))
    }

    fn push(mut self, op: &'static str, path: &str, value: Option<impl Serialize>) -> Self {
        self.0.push(json(&Operation { op, path, value }));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_json_patch() {
        let Change::JsonPatch(patch) = Remedy::set("/a~1b", 30).and_remove("/c").into_change() else { panic!() };
        assert_eq!(patch, r#"[{"op":"add","path":"/a~1b","value":30},{"op":"remove","path":"/c"}]"#);
    }
}
