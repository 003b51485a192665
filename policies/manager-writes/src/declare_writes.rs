//! Declares one writer where the owner has said nothing.

use stateward_sdk::prelude::*;

use crate::Settings;
use crate::conditions::{self, SET_CREATED};
use crate::keys::{MANAGER_ONLY, WRITES};

/// §6.1 of the contract.
pub const DECLARE_WRITES: Rule = Rule {
    id: "manager-writes/declare-writes",
    title: "Sets say who may write",
    description: "A StatefulSet that is made without the annotation `stateward.dev/writes` gets `manager-only`, so that several writers do not make \
                  several databases of it: the first pod writes, the others synchronise. Owners of sets in which every member writes say `any`.",
    category: promise::ONE_WRITER,
    severity: Severity::Medium,
    baseline: Action::Off,
    strict: Action::Apply,
    subjects: &[Subject::of(Resource::STATEFUL_SETS, SET_CREATED).when(conditions::SET_UNDECLARED)],
    ..Rule::MUTATE
};

/// Writes the annotation where it is absent.
pub fn declare_writes(set: &StatefulSet, cx: &Context<Settings>, out: &mut Changes) {
    if declares(set, cx) {
        let mut patch = MergePatch::default();
        patch.set(&["metadata", "annotations"], WRITES, MANAGER_ONLY);
        out.merge(&patch, format!("nothing says who may write: `{WRITES}: {MANAGER_ONLY}`"));
    }
}

/// What this rule does, or has done where another rule asks: both are applied together.
pub fn declares(set: &StatefulSet, cx: &Context<Settings>) -> bool {
    cx.operation() == Operation::Create && cx.is_on(&DECLARE_WRITES) && !set.metadata.annotations.has(WRITES)
}

#[cfg(test)]
mod tests {
    use super::DECLARE_WRITES;
    use crate::ManagerWrites;
    use serde_json::Value;
    use stateward_sdk::testing::{Changed, Test, json};

    fn declare(annotations: Value) -> Changed {
        let set = json!({"kind": "StatefulSet", "metadata": {"name": "db", "annotations": annotations}, "spec": {}});
        Test::<ManagerWrites>::create(set).change(&[&DECLARE_WRITES])
    }

    #[test]
    fn only_silence_is_filled() {
        for silent in [json!(null), json!({}), json!({"other": "x"})] {
            let changed = declare(silent.clone());
            assert_eq!(changed.object["metadata"]["annotations"]["stateward.dev/writes"], "manager-only", "{silent}");
        }
        for said in ["manager-only", "any", "", "unknown"] {
            assert_eq!(declare(json!({"stateward.dev/writes": said})).changes, 0, "{said}");
        }
    }
}
