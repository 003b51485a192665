//! Settings that change a list which is compiled in: they carry only the difference, so that a later version's longer list is in force too.

use schemars::JsonSchema;
use serde::Deserialize;

/// Changes to a built-in list.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListChange {
    /// Also on the list.
    pub add: Vec<String>,
    /// Not on the list, whatever the built-in one says.
    pub remove: Vec<String>,
}

impl ListChange {
    /// Whether something on the changed list fits. What is removed is compared with the list's own entries, letter by letter.
    pub fn any(&self, builtin: &[&str], fits: impl Fn(&str) -> bool) -> bool {
        self.add.iter().any(|entry| fits(entry))
            || builtin.iter().any(|&entry| fits(entry) && !self.remove.iter().any(|removed| removed == entry))
    }
}

#[cfg(test)]
mod tests {
    use super::ListChange;

    #[test]
    fn changes_carry_the_difference() {
        let change: ListChange = serde_json::from_str(r#"{"add": ["c"], "remove": ["a"]}"#).unwrap();
        let holds = |entry: &str| change.any(&["a", "b"], |each| each == entry);
        assert_eq!(["a", "b", "c", "d"].map(holds), [false, true, true, false]);
        assert!(serde_json::from_str::<ListChange>(r#"{"added": []}"#).is_err());
    }
}
