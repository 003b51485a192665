//! Whether anything needs an exemption. *Not known* is an answer: who takes away what merely looked unused brings the denials back.

use std::collections::BTreeSet;

use stateward_core::exemption::{ReachedRules, Tally};

use super::{Exemption, plural};

/// Whether anything needs an exemption that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usage {
    /// It made audits of findings.
    Used,
    /// Its rules found something, and none of it would count without it: a mode, a profile or another exemption came first.
    NotNeeded,
    /// It names objects, and its rules find nothing there.
    NoFinding,
    /// It names no object that is there.
    NoObject,
    /// For this reason.
    NotKnown(String),
}

impl Usage {
    /// Of one in force, by what was said of all that it names.
    pub(super) fn of(tally: &Tally, rules: &ReachedRules, gap: Option<&str>) -> Self {
        let Tally { objects, exempted, elsewhere, left, undecided, failed } = *tally;
        if exempted > 0 {
            return Self::Used;
        }
        if elsewhere + left > 0 {
            return Self::NotNeeded;
        }
        if undecided > 0 {
            return Self::NotKnown(format!(
                "{undecided} of its rules' answers there {} undecided",
                if undecided == 1 { "is" } else { "are" }
            ));
        }
        if failed > 0 {
            return Self::NotKnown("a policy broke there".to_owned());
        }
        if let Some(gap) = gap {
            return Self::NotKnown(gap.to_owned());
        }
        match objects {
            0 if rules.is_unseen => Self::NotKnown(unasked(rules)),
            0 => Self::NoObject,
            _ if !rules.unasked.is_empty() => Self::NotKnown(unasked(rules)),
            _ => Self::NoFinding,
        }
    }

    /// In one word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::NotNeeded => "not-needed",
            Self::NoFinding => "no-finding",
            Self::NoObject => "no-object",
            Self::NotKnown(_) => "not-known",
        }
    }

    pub(super) fn in_words(&self, of: &Exemption) -> String {
        let Tally { objects, exempted, elsewhere, left, .. } = of.tally;
        match self {
            Self::Used => {
                let on: BTreeSet<usize> = of
                    .on
                    .iter()
                    .filter(|covered| covered.tally.exempted > 0)
                    .filter_map(|covered| Some(covered.object.as_ref()?.index))
                    .collect();
                format!("{exempted} finding{} on {} object{}", plural(exempted), on.len(), plural(on.len()))
            }
            Self::NotNeeded if left == 0 => format!("not needed: another exemption covers {}", findings(elsewhere)),
            Self::NotNeeded => format!("not needed: {} would only be noted without it", findings(elsewhere + left)),
            Self::NoFinding => format!("matches nothing: no finding on {objects} object{}", plural(objects)),
            Self::NoObject => "matches nothing: no such object".to_owned(),
            Self::NotKnown(why) => format!("not known: {why}"),
        }
    }
}

fn findings(count: usize) -> String {
    if count == 1 { "its finding".to_owned() } else { format!("its {count} findings") }
}

fn unasked(rules: &ReachedRules) -> String {
    let only = "asked only when something changes";
    match (rules.unasked.first(), rules.unasked.len(), rules.all.len()) {
        (Some(rule), 1, _) => format!("`{rule}` is {only}"),
        (_, some, all) if some == all => format!("its rules are {only}"),
        (_, some, all) => format!("{some} of its {all} rules are {only}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(unasked: &[&str], is_unseen: bool) -> ReachedRules {
        let unasked: BTreeSet<String> = unasked.iter().map(|&rule| rule.to_owned()).collect();
        ReachedRules { all: unasked.iter().cloned().chain(["a/asked".to_owned()]).collect(), unasked, is_unseen }
    }

    #[test]
    fn what_may_be_needed_is_not_called_unused() {
        let one = Tally { objects: 1, ..Tally::default() };
        let asked = rules(&[], false);
        assert_eq!(Usage::of(&Tally { exempted: 1, undecided: 4, ..one }, &asked, Some("gap")), Usage::Used);
        assert_eq!(Usage::of(&Tally { left: 1, ..one }, &asked, Some("gap")), Usage::NotNeeded);
        assert_eq!(Usage::of(&one, &asked, None), Usage::NoFinding);
        assert_eq!(Usage::of(&Tally::default(), &asked, None), Usage::NoObject);
        assert_eq!(Usage::of(&Tally::default(), &rules(&["a/change"], false), None), Usage::NoObject);
        for (tally, rules, gap) in [
            (Tally { undecided: 1, ..one }, &asked, None),
            (Tally { failed: 1, ..one }, &asked, None),
            (one, &asked, Some("gap")),
            (Tally::default(), &asked, Some("gap")),
            (one, &rules(&["a/change"], false), None),
            (Tally::default(), &rules(&["a/change"], true), None),
        ] {
            assert_eq!(Usage::of(&tally, rules, gap).word(), "not-known", "{tally:?}");
        }
    }
}
