//! What the owner of a set says: who may write, how workers synchronise, what backs it up.

use stateward_sdk::contract::{BACKUP, SYNC, WRITES_FIELD};
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::keys::{Key, MANAGER_ONLY, WRITES};
use crate::sync::{Way, ways};

/// §6.1 of the contract.
pub const UNDECLARED_WRITES: Rule = Rule {
    id: "manager-writes/undeclared-writes",
    title: "A set of several members says who may write",
    description: "Two members that both take writes are two databases that differ from then on. Kubernetes gives them an order and names, but nothing \
                  says who may write; the annotation `stateward.dev/writes` does.",
    category: promise::ONE_WRITER,
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[Read { kind: StatefulSet::KIND, fields: &["/spec/replicas", WRITES_FIELD], live: false }],
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
        say(WRITES, format!("{} members, and nothing says which of them may write", set.replicas()), out)
            .hint("write the annotation `stateward.dev/writes: manager-only` (the first pod writes, the others follow), or `any` where every member may write");
    }
}

/// Fires once for each of the three annotations, on the first thing in it that means nothing.
pub fn invalid_contract(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let annotations = &set.metadata.annotations;
    if annotations.is_empty() {
        return;
    }
    if let Some(writes) = annotations.get(WRITES)
        && !matches!(writes, "" | "any" | MANAGER_ONLY)
    {
        say(WRITES, format!("`{writes}` does not say who may write"), out).hint(
            "write `manager-only` (the first pod writes, the others follow), or `any` where every member may write",
        );
    }
    if let Some(sync) = annotations.get(SYNC)
        && let Some(wrong) = ways(sync).find_map(|way| wrong_way(set, &way))
    {
        say(SYNC, wrong, out).hint(
            "write `init:<container>`, `sidecar:<container>` with a container of the template, or `engine:<how>`; several with commas between them",
        );
    }
    if let Some(backup) = annotations.get(BACKUP)
        && let Some(wrong) = wrong_backup(backup)
    {
        say(BACKUP, wrong, out).hint(
            "write `velero`, `k8up`, `stash`, `kanister`, `snapshot:<class>`, `external:<what>`, or `none` where nothing is to be had back",
        );
    }
}

fn wrong_way(set: &StatefulSet, way: &Way) -> Option<String> {
    let spec = &set.spec.template.spec;
    match *way {
        Way::Init(name) if spec.init_containers.iter().any(|each| each.name.as_str() == name) => None,
        Way::Init(name) => Some(format!("`init:{name}` names no init container of the template")),
        Way::Sidecar(name) if spec.running_containers().any(|each| each.name.as_str() == name) => None,
        Way::Sidecar(name) => Some(format!("`sidecar:{name}` names no container of the template that stays on")),
        Way::Engine("") => Some("`engine:` does not say how".to_owned()),
        Way::Engine(_) => None,
        Way::Unknown(text) => Some(format!("`{text}` is no way to synchronise that is known here")),
    }
}

/// What an `external:` says is everything after it, with its commas.
fn wrong_backup(backup: &str) -> Option<String> {
    let mut rest = backup.trim();
    while !rest.is_empty() {
        let (tool, after) = rest.split_once(',').unwrap_or((rest, ""));
        match tool.trim().split_once(':') {
            Some(("external", what)) if what.trim().is_empty() => {
                return Some("`external:` does not say what".to_owned());
            }
            Some(("external", _)) => return None,
            Some(("snapshot", class)) if class.trim().is_empty() => {
                return Some("`snapshot:` does not say which class".to_owned());
            }
            Some(("snapshot", _)) => {}
            None if matches!(tool.trim(), "velero" | "k8up" | "stash" | "kanister" | "none") => {}
            _ => return Some(format!("`{}` is no back-up tool that is known here", tool.trim())),
        }
        rest = after.trim_start();
    }
    None
}

/// A finding about one of the owner's annotations.
fn say<'f>(annotation: &'static str, message: String, out: &'f mut Findings) -> Made<'f> {
    let key = Key::annotation(annotation);
    out.finding(key.path("/metadata"), key.place(""), message)
}

#[cfg(test)]
mod tests {
    use super::wrong_backup;

    #[test]
    fn tools_are_a_list_and_what_is_outside_is_free_text() {
        for right in
            ["", " ", "velero", "none", "snapshot:gold", "velero, snapshot:gold", "external:tape, weekly", "k8up,"]
        {
            assert_eq!(wrong_backup(right), None, "{right}");
        }
        for wrong in ["tape", "Velero", "snapshot", "snapshot:", "external: ", "velero,tape", "velero:x"] {
            assert!(wrong_backup(wrong).is_some(), "{wrong}");
        }
    }
}
