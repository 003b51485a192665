//! Data on volumes that do not outlive the pod, or that belong to a node.

use stateward_sdk::data_paths::{DataPath, data_mount, data_path, unseen_variable};
use stateward_sdk::objects::{Container, Volume, VolumeMount};
use stateward_sdk::prelude::*;

use crate::Settings;

/// VOL-10 and VOL-12 of the rule catalogue.
pub const EPHEMERAL_DATA: Rule = Rule {
    id: "remote-volumes/ephemeral-data",
    title: "Data outlives the pod",
    description: "An `emptyDir` is deleted with its pod: after a drain, an eviction or an update the member starts with nothing, and copies that \
                  nothing to others if it is the manager (kubernetes/kubernetes#12136, slauger/openvox-operator#188). The same goes for what a \
                  database writes to its image's own layer. Where the data is, is guessed by mount paths, by variables such as `PGDATA` and, where \
                  none is set, by the names of well-known images: a volume at `/var/lib` holds the data of `mysql`.",
    category: "own volume, re-attaching",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// VOL-11 of the rule catalogue. Profile `strict` asks more: no writable `hostPath` at all, whatever its mount path looks like. Read-only ones
/// (time zones, kernel modules) hold none of the set's data, and a socket none at all.
pub const HOST_PATH_DATA: Rule = Rule {
    id: "remote-volumes/host-path-data",
    title: "Data is not a folder of a node",
    description: "A `hostPath` is whatever lies at that path of the node that the pod happens to run on: the replacement on another node finds \
                  another folder, two members of one node write to the same one, and the data dies with the node. The pod has a way to the \
                  node's own files besides.",
    category: "own volume, remote, re-attaching",
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// WL-6 of the rule catalogue.
pub const EPHEMERAL_CLAIM: Rule = Rule {
    id: "remote-volumes/ephemeral-claim",
    title: "A member's claim outlives the pod",
    description: "A generic ephemeral volume (KEP-1698) looks like a member's own disk and is one, but the pod owns the claim: it is deleted with \
                  the pod, so the replacement gets an empty one. Only claims from `volumeClaimTemplates` are attached again.",
    category: "re-attaching",
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS],
    ..Rule::VALIDATE
};

/// Fires on an `emptyDir` where data is written, and (audit at most: images are known by name only) on a known database without any volume for it.
pub fn ephemeral_data(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for (index, volume) in set.effective_volumes().filter(|(_, volume)| volume.is_empty_dir) {
        let Some(mount) = written_data(set, volume, &cx.settings) else {
            note_unseen(set, volume, &cx.settings, out);
            continue;
        };
        let name = &volume.name;
        out.finding(
            volume_path(index).key("emptyDir"),
            volume_place(volume),
            format!("`{}` is data, and the `emptyDir` `{name}` is gone with the pod", mount.mount_path),
        )
        .hint(format!("declare `{name}` in `volumeClaimTemplates` instead of in `volumes`"));
    }
    for (place, container) in set.spec.template.spec.placed_running_containers() {
        let has_claim = container.volume_mounts.iter().any(|mount| has_claim(set, &mount.name));
        if has_claim || !container.volume_devices.is_empty() {
            continue;
        }
        let Some(path) = data_path(container, &cx.settings.data_paths) else { continue };
        if data_mount(container, &cx.settings.data_paths, |_| true, |mount| may_hold(set, mount)).is_some() {
            continue;
        }
        let name = &container.name;
        let path = match path {
            DataPath::At(path) => path,
            DataPath::Unseen(variable) => {
                out.undecided(unseen(container, variable));
                continue;
            }
        };
        out.finding(
            place.path("/spec/template/spec").key("volumeMounts"),
            place.of(name),
            format!("nothing is mounted at `{path}`: what `{name}` writes there is gone with the container"),
        )
        .hint(format!("add a claim template and mount it at `{path}`"))
        .at_most(Action::Audit);
    }
}

/// Fires on a writable `hostPath` where data is written; in `strict` wherever it is mounted.
pub fn host_path_data(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for (index, volume) in set.effective_volumes() {
        let Some(host_path) = &volume.host_path else { continue };
        match host_path.kind.as_str() {
            "Socket" => continue,
            "" | "Directory" | "DirectoryOrCreate" | "File" | "FileOrCreate" | "CharDevice" | "BlockDevice" => {}
            other => {
                out.undecided(format!("hostPath type `{other}` is not known here"));
                continue;
            }
        }
        let mount = written_data(set, volume, &cx.settings);
        let mount = match cx.profile() {
            Profile::Baseline => mount,
            Profile::Strict => mount.or_else(|| written_mount(set, volume)),
        };
        let Some(mount) = mount else {
            note_unseen(set, volume, &cx.settings, out);
            continue;
        };
        let path = &host_path.path;
        out.finding(
            volume_path(index).key("hostPath"),
            volume_place(volume),
            format!(
                "`{}` is `{path}` of whatever node the member runs on: it does not follow the member",
                mount.mount_path
            ),
        )
        .hint(format!(
            "declare `{}` in `volumeClaimTemplates` if it holds data, or mount it with `readOnly: true`",
            volume.name
        ));
    }
}

/// Fires on a generic ephemeral volume where data is written.
pub fn ephemeral_claim(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    for (index, volume) in set.effective_volumes().filter(|(_, volume)| volume.is_ephemeral) {
        let Some(mount) = written_data(set, volume, &cx.settings) else {
            note_unseen(set, volume, &cx.settings, out);
            continue;
        };
        let name = &volume.name;
        out.finding(
            volume_path(index).key("ephemeral"),
            volume_place(volume),
            format!("`{}` is data, and the claim of `{name}` is deleted with the pod", mount.mount_path),
        )
        .hint(format!("move the template from `volumes` to `volumeClaimTemplates`, with the name `{name}`"));
    }
}

/// Where some container writes data to the volume.
fn written_data<'s, 'a>(set: &'s StatefulSet<'a>, volume: &Volume, settings: &Settings) -> Option<&'s VolumeMount<'a>> {
    let mut all = set.spec.template.spec.all_containers();
    let is_meant = |mount: &VolumeMount| is_written(mount, volume);
    all.find_map(|container| data_mount(container, &settings.data_paths, is_meant, |mount| may_hold(set, mount)))
}

/// Undecided where a container writes to a volume that holds no known data, and only an object that is not seen here says whether its data is there.
fn note_unseen(set: &StatefulSet, volume: &Volume, settings: &Settings, out: &mut Findings) {
    for container in set.spec.template.spec.all_containers() {
        if container.volume_mounts.iter().any(|mount| is_written(mount, volume))
            && let Some(variable) = unseen_variable(container, &settings.data_paths)
        {
            out.undecided(unseen(container, variable));
        }
    }
}

fn unseen(container: &Container, variable: &str) -> String {
    format!("where `{}` keeps its data is not known here: `{variable}` has a `valueFrom`", container.name)
}

/// Where some container can write to the volume.
fn written_mount<'s, 'a>(set: &'s StatefulSet<'a>, volume: &Volume) -> Option<&'s VolumeMount<'a>> {
    let mut all = set.spec.template.spec.all_containers();
    all.find_map(|container| container.volume_mounts.iter().find(|mount| is_written(mount, volume)))
}

fn is_written(mount: &VolumeMount, volume: &Volume) -> bool {
    mount.name == volume.name && !mount.read_only
}

/// Whether data can be in it. Settings and keys are mounted into folders of data, and hold none.
fn may_hold(set: &StatefulSet, mount: &VolumeMount) -> bool {
    let mut volumes = set.effective_volumes().map(|(_, volume)| volume).filter(|volume| volume.name == mount.name);
    has_claim(set, &mount.name)
        || volumes.any(|volume| volume.is_empty_dir || volume.is_ephemeral || volume.host_path.is_some())
}

/// The volume of this name outlives the pod.
fn has_claim(set: &StatefulSet, volume: &str) -> bool {
    let is_claim = |each: &Volume| *each.name == *volume && each.persistent_volume_claim.is_some();
    set.has_claim_template(volume) || set.spec.template.spec.volumes.iter().any(is_claim)
}

fn volume_path(index: usize) -> Pointer {
    Pointer::new("/spec/template/spec/volumes").index(index)
}

fn volume_place(volume: &Volume) -> String {
    format!("volumes[{}]", volume.name)
}
