//! Rules that say something else where it is known who asks.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use stateward_sdk::bindings::stateward::policy::types::RuleKind;

use crate::said::Said;

/// What does not depend on who asks.
pub(crate) fn unbound(said: &Said) -> Said {
    said.of_rules(|rule| !RULES.needing.contains(rule) && !BOUND.iter().any(|(bound, _)| *bound == rule))
}

/// The rules that need no user, and of which the two do not say the same.
pub(crate) fn bound(said: &Said, other: &Said) -> BTreeSet<String> {
    let rules = said.differences(other).map(|(line, _)| line.rule.clone());
    rules.filter(|rule| !rule.is_empty() && !RULES.needing.contains(rule)).collect()
}

/// What is said of rules that judge.
pub(crate) fn of_judging(said: &Said) -> Said {
    said.of_rules(|rule| RULES.judging.contains(rule))
}

/// A rule is excused only where it differs.
pub(crate) fn assert_all_needed(bound: &BTreeSet<String>) {
    let idle: Vec<_> = BOUND.iter().map(|(rule, _)| *rule).filter(|rule| !bound.contains(*rule)).collect();
    assert!(idle.is_empty(), "excused, and never differ: {idle:?}");
}

struct Rules {
    judging: BTreeSet<String>,
    /// The host itself leaves them undecided where nobody asks.
    needing: BTreeSet<String>,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let rules = stateward_stateful::describe().rules;
    let ids = |is_meant: &dyn Fn(bool, bool) -> bool| {
        let meant = rules.iter().filter(|rule| is_meant(rule.kind == RuleKind::Validate, rule.needs_user));
        meant.map(|rule| rule.id.clone()).collect()
    };
    Rules { judging: ids(&|judges, _| judges), needing: ids(&|_, needs_user| needs_user) }
});

/// Each with the reason. They need no user, and without one say less or something else.
const BOUND: [(&str, &str); 4] = [
    ("manager-writes/forged-role", "of what is stored nobody knows whether it joined while it ran"),
    ("manager-writes/missing-role", "a stored pod may be older than its set's joining"),
    ("manager-writes/moved-manager", "nobody makes a set that is stored, beside the pods of an earlier one"),
    ("manager-writes/unstamped-members", "of a set that somebody makes now no member is there"),
];
