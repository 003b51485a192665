//! What backs a set up, as its annotations and those of known tools say it.

use stateward_sdk::contract::{BACKUP, is_governed};
use stateward_sdk::prelude::*;

use crate::Settings;

/// OP-1 of the rule catalogue. Part of the contract, since none of 616 real sets says anything: as a rule for all it would be noise.
///
/// A decision counts, whatever it is: `none`, or a tool's key that leaves something out.
pub const NO_BACKUP_INTENT: Rule = Rule {
    id: "operations/no-backup-intent",
    title: "The set says what backs it up",
    description: "Kubernetes backs nothing up, and neither does a replica: what the manager deletes its workers delete. Snapshot schedules and operators \
                  leave no mark on the set, so only its owner can say what applies to it.",
    category: "backed up",
    severity: Severity::Medium,
    baseline: Action::Audit,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// OP-2 of the rule catalogue.
pub const BACKUP_OF_MISSING_VOLUME: Rule = Rule {
    id: "operations/backup-of-missing-volume",
    title: "Volumes named for back-up exist",
    description: "Back-up tools take the names of volumes from an annotation and pass over what they do not find: the back-up succeeds, and the volume is \
                  not in it. Velero splits its list at commas and nowhere else, so `data, wal` names a volume with a blank before it.",
    category: "backed up",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// OP-5 of the rule catalogue, for every way to say it: Velero's list, Velero's label and K8up's annotation.
pub const EXCLUDED_DATA: Rule = Rule {
    id: "operations/excluded-data",
    title: "Members' volumes are not left out of the back-up",
    description: "A claim template holds what the set is there for. Left out of the back-up it is what cannot be had back; where the engine's own dumps \
                  or snapshots hold it, that is worth writing down as an exemption.",
    category: "backed up",
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Warn,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on a governed set that neither says what backs it up nor carries a known tool's mark.
pub fn no_backup_intent(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    if is_governed(set) && set.metadata.annotations.get(BACKUP).is_none_or(str::is_empty) && !has_mark(set) {
        out.finding(
            Pointer::new("/metadata/annotations").key(BACKUP),
            format!("annotations[{BACKUP}]"),
            "nothing says what backs up this set",
        )
        .hint(format!("write `{BACKUP}`: `velero`, `k8up`, `snapshot:<class>`, `external:<what>`, .. or `none`"));
    }
}

/// Fires on every name in a list of volumes to back up that is no volume of the pods.
pub fn backup_of_missing_volume(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let template = &set.spec.template.metadata.annotations;
    if let Some(names) = template.get(VELERO_VOLUMES) {
        let annotation = Pointer::new("/spec/template/metadata/annotations").key(VELERO_VOLUMES);
        for name in names.split(',').filter(|name| !name.is_empty() && !has_volume(set, name)) {
            report_missing(set, &annotation, VELERO_VOLUMES, name, out);
        }
    }
    if let Some(mounts) = set.metadata.annotations.get(STASH_MOUNTS) {
        let annotation = Pointer::new("/metadata/annotations").key(STASH_MOUNTS);
        let names = mounts.split(',').map(|mount| mount.split(':').next().unwrap_or(mount).trim());
        for name in names.filter(|name| !name.is_empty() && !has_volume(set, name)) {
            report_missing(set, &annotation, STASH_MOUNTS, name, out);
        }
    }
}

/// Fires on every claim template whose volume is left out of the back-up.
pub fn excluded_data(set: &StatefulSet, _: &Context<Settings>, out: &mut Findings) {
    let excluded = set.spec.template.metadata.annotations.get(VELERO_EXCLUDES).unwrap_or_default();
    for template in set.claim_templates() {
        let metadata = &template.claim.metadata;
        let claim = || template.path().key("metadata");
        let (path, hint) = if excluded.split(',').any(|name| name == metadata.name.as_str()) {
            let path = Pointer::new("/spec/template/metadata/annotations").key(VELERO_EXCLUDES);
            (path, format!("take `{}` off the list", metadata.name))
        } else if metadata.labels.get(VELERO_EXCLUDED) == Some("true") {
            (claim().key("labels").key(VELERO_EXCLUDED), "remove the label".to_owned())
        } else if metadata.annotations.get(K8UP_BACKUP) == Some("false") {
            (claim().key("annotations").key(K8UP_BACKUP), format!("write `{K8UP_BACKUP}: \"true\"`"))
        } else {
            continue;
        };
        out.finding(
            path,
            template.place(),
            format!("every member's volume `{}` is left out of the back-up", template.name()),
        )
        .hint(format!("{hint}, or exempt the set and say what else holds its data"));
    }
}

fn report_missing(set: &StatefulSet, annotation: &Pointer, key: &str, name: &str, out: &mut Findings) {
    let trimmed = name.trim();
    let (message, hint) = if trimmed != name && has_volume(set, trimmed) {
        (
            format!("`{name}` is named with a blank, which is not cut off: volume `{trimmed}` is not backed up"),
            "write the names with commas and no blanks".to_owned(),
        )
    } else {
        (format!("`{name}` is to be backed up, and the pods have no such volume"), volumes(set))
    };
    out.finding(annotation.clone(), format!("annotations[{key}][{trimmed}]"), message).hint(hint);
}

/// A known tool's key where that tool looks for it: on the pods, on their claims, or on the set.
fn has_mark(set: &StatefulSet) -> bool {
    let has =
        |map: &Map, prefixes: &[&str]| map.iter().any(|(key, _)| prefixes.iter().any(|prefix| key.starts_with(prefix)));
    let template = &set.spec.template.metadata;
    has(&set.metadata.annotations, &["stash.appscode.com/", "kanister.kasten.io/"])
        || has(
            &template.annotations,
            &["backup.velero.io/", "pre.hook.backup.velero.io/", "post.hook.backup.velero.io/", "k8up.io/"],
        )
        || set.spec.volume_claim_templates.iter().any(|claim| claim.metadata.annotations.has(K8UP_BACKUP))
        || [&set.metadata, template]
            .into_iter()
            .chain(set.spec.volume_claim_templates.iter().map(|claim| &claim.metadata))
            .any(|metadata| metadata.labels.has(VELERO_EXCLUDED))
}

fn has_volume(set: &StatefulSet, name: &str) -> bool {
    set.spec.template.spec.volumes.iter().any(|volume| *volume.name == *name)
        || set.spec.volume_claim_templates.iter().any(|claim| *claim.metadata.name == *name)
}

/// What could be named instead: the claim templates, or where there are none the pods' volumes.
fn volumes(set: &StatefulSet) -> String {
    let claims = set.spec.volume_claim_templates.iter().map(|claim| claim.metadata.name.as_str());
    let mut names: Vec<&str> = claims.collect();
    if names.is_empty() {
        names = set.spec.template.spec.volumes.iter().map(|volume| volume.name.as_str()).collect();
    }
    match names.as_slice() {
        [] => "declare it in `volumeClaimTemplates`".to_owned(),
        [first, ..] => format!("name one that there is, for example `{first}`"),
    }
}

/// Pods, annotation: what is backed up where Velero is told what to take.
const VELERO_VOLUMES: &str = "backup.velero.io/backup-volumes";
/// Pods, annotation: what is not backed up where Velero takes everything.
const VELERO_EXCLUDES: &str = "backup.velero.io/backup-volumes-excludes";
/// Any object, label: `true` leaves it out.
const VELERO_EXCLUDED: &str = "velero.io/exclude-from-backup";
/// Claims, annotation: `false` leaves it out.
const K8UP_BACKUP: &str = "k8up.io/backup";
/// Workloads, annotation: `<volume>:<path>[:<sub path>]`, a comma list.
const STASH_MOUNTS: &str = "stash.appscode.com/volume-mounts";
