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
        self.add.iter().any(|entry| fits(entry)) || builtin.iter().any(|&entry| fits(entry) && !self.removes(entry))
    }

    /// Complaints about what is to be removed and is not on the list: nothing would come of it, and most often it is a slip of the pen.
    /// `setting` is where the change is written.
    pub fn absent(&self, setting: &str, builtin: &[&str]) -> impl Iterator<Item = String> {
        let absent = self.remove.iter().enumerate().filter(|(_, entry)| !builtin.contains(&entry.as_str()));
        absent.map(move |(place, entry)| {
            let list = if builtin.len() > MAX_NAMED { String::new() } else { format!(" ({})", builtin.join(", ")) };
            format!("/{setting}/remove/{place}: `{entry}` is not on the built-in list{list}: nothing would be removed")
        })
    }

    /// Whether the list loses this entry.
    pub fn removes(&self, entry: &str) -> bool {
        self.remove.iter().any(|removed| removed == entry)
    }
}

/// A longer list is not named whole in a message.
const MAX_NAMED: usize = 10;

/// Whether a pattern fits a whole text. Each `*` stands for any text, nothing else stands for anything but itself.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The first place is as good as any later one: it leaves the most for what follows.
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::{ListChange, matches};
    use proptest::prelude::*;

    #[test]
    fn changes_carry_the_difference() {
        let change: ListChange = serde_json::from_str(r#"{"add": ["c"], "remove": ["a"]}"#).unwrap();
        let holds = |entry: &str| change.any(&["a", "b"], |each| each == entry);
        assert_eq!(["a", "b", "c", "d"].map(holds), [false, true, true, false]);
        assert!(serde_json::from_str::<ListChange>(r#"{"added": []}"#).is_err());
    }

    #[test]
    fn what_is_removed_must_be_there() {
        let change: ListChange = serde_json::from_str(r#"{"add": ["c"], "remove": ["a", "c"]}"#).unwrap();
        let told = |builtin: &[&str]| change.absent("letters", builtin).collect::<Vec<_>>();
        assert_eq!(
            told(&["a", "b"]),
            ["/letters/remove/1: `c` is not on the built-in list (a, b): nothing would be removed"]
        );
        assert_eq!(told(&["a"; 11]), ["/letters/remove/1: `c` is not on the built-in list: nothing would be removed"]);
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text) in
            [("a", "a"), ("*", ""), ("a*", "a"), ("*:b-*", "a:b-"), ("a*a", "aba"), ("a**c", "abc"), ("*b*b*", "abab")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "ab"), ("", "a"), ("a*a", "a"), ("ab*ba", "aba"), ("*:b-*", "a:b"), ("*b*b*", "ab"), ("a.c", "abc")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn texts_in_the_place_of_stars_fit(parts in prop::collection::vec("[ab]{0,3}", 1..5), fillers in prop::collection::vec("[ab]{0,3}", 5)) {
            let text: String = parts.iter().zip(&fillers).skip(1).fold(parts[0].clone(), |text, (part, filler)| text + filler + part);
            prop_assert!(matches(&parts.join("*"), &text));
        }
    }
}
