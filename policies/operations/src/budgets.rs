//! Disruption budgets: how many members a drain may take at a time.

use std::fmt;

use stateward_sdk::objects::IntOrString;
use stateward_sdk::prelude::*;

use crate::Settings;

/// AV-3 of the rule catalogue.
pub const NO_DISRUPTION_BUDGET: Rule = Rule {
    id: "operations/no-disruption-budget",
    title: "A disruption budget covers the members",
    description: "A drain evicts pods as fast as it can. Without a PodDisruptionBudget an upgrade of the nodes may take all members at once, and a quorum \
                  that is lost so does not come back by itself. A fifth of real sets with several replicas have none.",
    category: promise::AVAILABLE,
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[Read::of(PodDisruptionBudget::KIND, &["/spec/selector"]), Read::by_name(StatefulSet::KIND, SET_FIELDS)],
    ..Rule::VALIDATE
};

/// AV-4 of the rule catalogue, with one exception: of a single member every budget allows either none or all, and then all is right, since a node
/// must be drainable. Of 258 real budgets 237 say `maxUnavailable: 1`, most of them of charts whose default is one replica.
///
/// What forbids or allows everything by itself (`0`, `100%`) needs no look-up: Helm makes budgets before the sets that they are for.
pub const BLOCKING_BUDGET: Rule = Rule {
    id: "operations/blocking-budget",
    title: "A disruption budget lets some members go and keeps some",
    description: "A budget that allows no disruption makes every drain of a node with a member wait for ever: node upgrades stop, until somebody deletes \
                  the budget or the pod by force. One that allows all of them protects nothing.",
    category: promise::AVAILABLE,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Warn,
    subjects: &[Subject::of(Resource::BUDGETS, &[Operation::Create, Operation::Update])],
    reads: &[Read::of(StatefulSet::KIND, SET_FIELDS)],
    ..Rule::VALIDATE
};

/// Fires on two replicas or more that no budget selects.
pub fn no_disruption_budget(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    let replicas = set.replicas();
    if replicas < 2 {
        return;
    }
    let Some(budgets) = cx.list::<PodDisruptionBudget>() else { return out.unavailable::<PodDisruptionBudget>() };
    let mut is_known = true;
    for selector in budgets.iter().filter_map(|budget| budget.spec.selector.as_ref()) {
        match selector.selects(&set.spec.template.metadata.labels) {
            Some(true) => return,
            Some(false) => {}
            None => is_known = false,
        }
    }
    if is_known {
        out.finding(
            "/spec/template/metadata/labels",
            "template.labels",
            format!("no PodDisruptionBudget selects the {replicas} members: a drain may take them all at once"),
        )
        .hint("make one with `maxUnavailable: 1` that selects the template's labels");
    } else {
        out.undecided(UNKNOWN_OPERATOR);
    }
}

/// Fires on a budget that lets no pod go, or all.
pub fn blocking_budget(budget: &PodDisruptionBudget, cx: &Context<Settings>, out: &mut Findings) {
    let Some(limit) = Limit::of(budget) else {
        // The disruption controller expects no pods then, and allows no disruption (`getExpectedPodCount`).
        out.finding("/spec", "spec", "with neither `maxUnavailable` nor `minAvailable` no pod may be evicted")
            // No remedy: a patch for an overlay has neither as well, and beside the other field the server refuses it.
            .hint("write `maxUnavailable: 1`");
        return;
    };
    if let Some(is_all) = limit.whatever_there_is() {
        return limit.report(is_all, None, out);
    }
    let Some(selector) = &budget.spec.selector else { return };
    let Some(sets) = cx.list::<StatefulSet>() else { return out.unavailable::<StatefulSet>() };
    let mut members: i64 = 0;
    for set in &sets {
        match selector.selects(&set.spec.template.metadata.labels) {
            Some(true) => members = members.saturating_add(set.replicas()),
            Some(false) => {}
            None => return out.undecided(UNKNOWN_OPERATOR),
        }
    }
    if members < 1 {
        return;
    }
    match limit.allowed(members) {
        None => out.undecided(format!("{limit} is neither a number nor a percentage")),
        Some(allowed) if allowed <= 0 => limit.report(false, Some(members), out),
        Some(allowed) if allowed >= members && members > 1 => limit.report(true, Some(members), out),
        Some(_) => {}
    }
}

/// The one of a budget's two fields that is set.
struct Limit<'b, 'a> {
    field: &'static str,
    value: &'b IntOrString<'a>,
}

impl<'b, 'a> Limit<'b, 'a> {
    /// The server refuses both, and looks at the first of them first.
    fn of(budget: &'b PodDisruptionBudget<'a>) -> Option<Self> {
        let of = |field, value: &'b Option<IntOrString<'a>>| value.as_ref().map(|value| Self { field, value });
        of("maxUnavailable", &budget.spec.max_unavailable).or_else(|| of("minAvailable", &budget.spec.min_available))
    }

    fn is_max_unavailable(&self) -> bool {
        self.field == "maxUnavailable"
    }

    /// Of so many members, how many may go while all of them are well.
    fn allowed(&self, members: i64) -> Option<i64> {
        let limit = self.value.of(members)?;
        Some(if self.is_max_unavailable() { limit } else { members.saturating_sub(limit) })
    }

    /// Lets all go (`true`) or none (`false`), however many there are.
    fn whatever_there_is(&self) -> Option<bool> {
        // No number in earnest: only a share is all of them.
        match self.value.of(i64::from(i32::MAX))? {
            0 => Some(!self.is_max_unavailable()),
            all if all == i64::from(i32::MAX) => Some(self.is_max_unavailable()),
            _ => None,
        }
    }

    fn report(&self, is_all: bool, members: Option<i64>, out: &mut Findings) {
        let of = match members {
            None => String::new(),
            Some(1) => " of the only member".to_owned(),
            Some(members) => format!(" of {members} members"),
        };
        let message = if is_all {
            format!("{self}{of} lets all go at once: it protects nothing")
        } else {
            format!("{self}{of} lets none go: a node that holds one cannot be drained")
        };
        let hint = if members == Some(1) {
            "write `maxUnavailable: 1`, or have two members or more"
        } else {
            "write `maxUnavailable: 1`"
        };
        let path = Pointer::new("/spec").key(self.field);
        let finding = out.finding(path.clone(), self.field, message).hint(hint);
        // Whoever lets none go may mean it, until somebody asks.
        if is_all {
            let one = Remedy::set(MAX_UNAVAILABLE, 1);
            finding.remedy(if self.is_max_unavailable() { one } else { one.and_remove(path) });
        }
    }
}

impl fmt::Display for Limit<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            IntOrString::Int(number) => write!(f, "`{}: {number}`", self.field),
            IntOrString::String(text) => write!(f, "`{}: {text}`", self.field),
        }
    }
}

const MAX_UNAVAILABLE: &str = "/spec/maxUnavailable";

const SET_FIELDS: &[&str] = &["/spec/replicas", "/spec/template/metadata/labels"];

const UNKNOWN_OPERATOR: &str = "a budget's selector has an operator that is not known here";

#[cfg(test)]
mod tests {
    use super::BLOCKING_BUDGET;
    use crate::Operations;
    use proptest::prelude::*;
    use stateward_sdk::testing::{Test, json};

    proptest! {
        #[test]
        fn what_may_go_and_what_must_stay_are_one_limit(members in 2..20_i64, share in 0..=100_i64) {
            let may_go = members * share / 100;
            let judge = |limit: &str, value: i64| {
                let budget = json!({"kind": "PodDisruptionBudget", "metadata": {"name": "db"}, "spec": {limit: value, "selector": {}}});
                let set = json!({"kind": "StatefulSet", "metadata": {"name": "db"}, "spec": {"replicas": members}});
                Test::<Operations>::create(budget).beside(set).judge(&BLOCKING_BUDGET).findings.len()
            };
            let is_one_of_both_ends = may_go == 0 || may_go == members;
            prop_assert_eq!(judge("maxUnavailable", may_go), usize::from(is_one_of_both_ends));
            prop_assert_eq!(judge("minAvailable", members - may_go), usize::from(is_one_of_both_ends));
        }
    }
}
