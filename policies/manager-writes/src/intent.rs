//! What the owner of a set says: who may write, how workers synchronise, what backs it up.

use stateward_sdk::contract::{BACKUP, SYNC, WRITES_FIELD};
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::keys::{Key, MANAGER_ONLY, WRITES};
use crate::sync::{ENGINE, Way, entries};

/// §6.1 of the contract.
pub const UNDECLARED_WRITES: Rule = Rule {
    id: "manager-writes/undeclared-writes",
    title: "A set of several members says who may write",
    description: "Two members that both take writes are two databases that differ from then on (helm/charts#21303). Kubernetes gives them an order \
                  and names, but nothing says who may write; the annotation `stateward.dev/writes` does.",
    category: promise::ONE_WRITER,
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[Read::by_name(StatefulSet::KIND, &["/spec/replicas", WRITES_FIELD])],
    ..Rule::VALIDATE
};

/// §6.1 of the contract.
pub const INVALID_CONTRACT: Rule = Rule {
    id: "manager-writes/invalid-contract",
    title: "What the owner declares can be read",
    description: "A value of `stateward.dev/writes` that is not known would mean *not governed*: a typing mistake, and every member writes. A `sync` that \
                  names a container which does not exist, or a `backup` that names an unknown tool, promises what nobody does.",
    category: "one writer, synchronised, backed up",
    severity: Severity::High,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on two replicas or more without the annotation. Empty means `any`, which is an answer.
pub fn undeclared_writes(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if set.replicas() >= 2 && !set.metadata.annotations.has(WRITES) {
        let key = Key::annotation(WRITES);
        let message = format!("{} members, and nothing says which of them may write", set.replicas());
        out.finding(key.path("/metadata"), key.place(""), message).hint(
            "write `manager-only` (the first pod writes, the others follow), or `any` where every member may write",
        );
    }
}

/// Fires on a value of `writes` that is not known, and on each entry of the other two lists that means nothing.
pub fn invalid_contract(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let annotations = &set.metadata.annotations;
    if annotations.is_empty() {
        return;
    }
    if let Some(writes) = annotations.get(WRITES)
        && !matches!(writes, "" | "any" | MANAGER_ONLY)
    {
        let key = Key::annotation(WRITES);
        out.finding(key.path("/metadata"), key.place(""), format!("`{writes}` does not say who may write"))
            .hint(WRITE_HINT);
    }
    for entry in entries(annotations.get(SYNC).unwrap_or_default(), ENGINE) {
        if let Some(wrong) = wrong_way(set, Way::of(entry)) {
            say(SYNC, entry, wrong, out).hint(SYNC_HINT);
        }
    }
    for entry in entries(annotations.get(BACKUP).unwrap_or_default(), EXTERNAL) {
        if let Some(wrong) = wrong_tool(entry) {
            say(BACKUP, entry, wrong, out).hint(BACKUP_HINT);
        }
    }
}

fn wrong_way(set: &StatefulSet, way: Way) -> Option<&'static str> {
    let spec = &set.spec.template.spec;
    match way {
        Way::Init(name) if spec.init_containers.iter().any(|each| each.name.as_str() == name) => None,
        Way::Init(_) => Some("names no init container of the template"),
        Way::Sidecar(name) if spec.running_containers().any(|each| each.name.as_str() == name) => None,
        Way::Sidecar(_) => Some("names no container of the template that stays on"),
        Way::Engine("") => Some("does not say how"),
        Way::Engine(_) => None,
        Way::Unknown => Some("is no way to synchronise that is known here"),
    }
}

fn wrong_tool(entry: &str) -> Option<&'static str> {
    match entry.split_once(':') {
        None if matches!(entry, "velero" | "k8up" | "stash" | "kanister" | "none") => None,
        Some(("snapshot", class)) => class.trim().is_empty().then_some("does not say which class"),
        Some(("external", what)) => what.trim().is_empty().then_some("does not say what"),
        _ => Some("is no back-up tool that is known here"),
    }
}

/// A finding about one entry of one of the owner's lists.
fn say<'f>(annotation: &'static str, entry: &str, wrong: &str, out: &'f mut Findings) -> Made<'f> {
    let key = Key::annotation(annotation);
    out.finding(key.path("/metadata"), format!("{}[{entry}]", key.place("")), format!("`{entry}` {wrong}"))
}

/// Begins free text.
const EXTERNAL: &str = "external:";

const WRITE_HINT: &str =
    "write `manager-only` (the first pod writes, the others follow), or `any` where every member may write";
const SYNC_HINT: &str =
    "write `init:<container>`, `sidecar:<container>` or `engine:<how>`, with commas between several";
const BACKUP_HINT: &str =
    "write `velero`, `k8up`, `stash`, `kanister`, `snapshot:<class>`, `external:<what>` or `none`";

#[cfg(test)]
mod tests {
    use super::{EXTERNAL, wrong_tool};
    use crate::sync::entries;

    #[test]
    fn tools_are_a_list_and_what_is_outside_is_free_text() {
        let wrong = |backup| entries(backup, EXTERNAL).filter_map(wrong_tool).count();
        for right in
            ["", " ", "velero", "none", "snapshot:gold", "velero, snapshot:gold", "external:tape, weekly", "k8up,"]
        {
            assert_eq!(wrong(right), 0, "{right}");
        }
        for backup in
            ["tape", "Velero", "snapshot", "snapshot:", "external: ", "velero,tape", "velero:x", "external:x,snap:y"]
        {
            assert_eq!(wrong(backup), 1, "{backup}");
        }
    }
}
