//! Each member its own volume: the volumes of the pod template.

use serde_json::Value;

use super::tree::{Set, containers, is_mapped, list, long_running, mounts, name, text, written_claim};
use super::{Verdicts, lists};

pub(super) fn judge(set: Set<'_>, verdicts: &mut Verdicts) {
    for container in long_running(set.pod()).filter(|container| writes_to_image(set, container)) {
        if is_unseen(container) {
            verdicts.undecided("remote-volumes/ephemeral-data");
        } else {
            let place = format!("container {}", container["name"]);
            verdicts.fires("remote-volumes/ephemeral-data", &place, "audit", "audit");
        }
    }
    for volume in set.effective_volumes() {
        let place = text(&volume["name"]);
        let is_data = is_on_data_path(set, place);
        // A volume without a source is an emptyDir: the API server writes that in.
        let is_short_lived = volume["emptyDir"].is_object() || has_no_source(volume);
        if is_data && is_short_lived {
            verdicts.fires("remote-volumes/ephemeral-data", place, "warn", "deny");
        }
        if is_data && volume["ephemeral"].is_object() {
            verdicts.fires("remote-volumes/ephemeral-claim", place, "warn", "deny");
        }
        if !is_data && may_be_data(set, place) {
            unknown_data(volume, is_short_lived, verdicts);
        }
        host_path(set, volume, is_data, verdicts);
        if written_claim(volume, set.pod()).is_some() {
            match set.replicas() {
                2.. => verdicts.fires("remote-volumes/shared-claim", place, "deny", "deny"),
                1 => verdicts.fires("remote-volumes/unscalable-claim", place, "warn", "warn"),
                _ => {}
            }
        }
    }
    for volume in list(&set.pod()["volumes"]).iter().filter(|volume| set.is_hidden(volume)) {
        let claim = &volume["persistentVolumeClaim"];
        if !claim.is_object() || claim["claimName"] != volume["name"] {
            verdicts.fires("remote-volumes/shadowed-volume", text(&volume["name"]), "audit", "warn");
        }
    }
    for template in set.claim_templates() {
        let is_used = mounts(set.pod(), name(template)).next().is_some() || is_mapped(set.pod(), name(template));
        if !is_used {
            verdicts.fires("remote-volumes/unmounted-claim", name(template), "warn", "deny");
        }
        volume_mode(set, template, verdicts);
    }
}

/// On a data path it must not be written; `strict` has none that is written, but sockets. Read-only ones (time zones, kernel modules) pass, as
/// the reference says of VOL-11.
fn host_path(set: Set<'_>, volume: &Value, is_data: bool, verdicts: &mut Verdicts) {
    let place = text(&volume["name"]);
    let is_folder = volume["hostPath"].is_object() && volume["hostPath"]["type"] != "Socket";
    // One that nobody mounts is written by nobody.
    let is_written = mounts(set.pod(), place).any(|mount| mount["readOnly"] != true);
    if is_folder && is_written {
        verdicts.fires("remote-volumes/host-path-data", place, if is_data { "deny" } else { "off" }, "deny");
    }
}

/// Whoever writes there has its data where a ConfigMap or a Secret says.
fn unknown_data(volume: &Value, is_short_lived: bool, verdicts: &mut Verdicts) {
    if is_short_lived {
        verdicts.undecided("remote-volumes/ephemeral-data");
    }
    if volume["ephemeral"].is_object() {
        verdicts.undecided("remote-volumes/ephemeral-claim");
    }
    // In `strict` it is refused, data or not.
    if volume["hostPath"].is_object() && volume["hostPath"]["type"] != "Socket" && !verdicts.is_strict {
        verdicts.undecided("remote-volumes/host-path-data");
    }
}

fn volume_mode(set: Set<'_>, template: &Value, verdicts: &mut Verdicts) {
    let is_mounted = mounts(set.pod(), name(template)).next().is_some();
    let is_wrong = match text(&template["spec"]["volumeMode"]) {
        "" | "Filesystem" => is_mapped(set.pod(), name(template)),
        "Block" => is_mounted,
        _ => return verdicts.undecided("remote-volumes/volume-mode-mismatch"),
    };
    if is_wrong {
        verdicts.fires("remote-volumes/volume-mode-mismatch", name(template), "deny", "deny");
    }
}

/// Whether a container writes to it where databases keep their data.
fn is_on_data_path(set: Set<'_>, volume: &str) -> bool {
    containers(set.pod()).any(|container| {
        let mut mounts = list(&container["volumeMounts"]).iter().filter(|mount| text(&mount["name"]) == volume);
        mounts.any(|mount| mount["readOnly"] != true && is_at_data(set, container, mount))
    })
}

/// Whether a container that writes to the volume has its data where nobody can see from here.
fn may_be_data(set: Set<'_>, volume: &str) -> bool {
    containers(set.pod()).filter(|container| is_unseen(container)).any(|container| {
        let mut mounts = list(&container["volumeMounts"]).iter().filter(|mount| text(&mount["name"]) == volume);
        mounts.any(|mount| mount["readOnly"] != true)
    })
}

/// `PGDATA` itself comes from an object.
fn is_unseen(container: &Value) -> bool {
    let last = list(&container["env"]).iter().rfind(|variable| variable["name"] == "PGDATA");
    last.is_some_and(|variable| !variable["valueFrom"].is_null() && text(&variable["value"]).is_empty())
}

fn is_at_data(set: Set<'_>, container: &Value, mount: &Value) -> bool {
    let path = clean(text(&mount["mountPath"]));
    let holds = match data_folder(container) {
        Some(folder) => is_within(&clean(&folder), &path) && is_nearest(set, container, &folder, &path),
        None => false,
    };
    lists::is_data_path(&path) || holds
}

/// Nothing else is mounted between a mount and the folder, nor, of what can hold data, in the folder.
fn is_nearest(set: Set<'_>, container: &Value, folder: &str, path: &str) -> bool {
    let folder = clean(folder);
    list(&container["volumeMounts"]).iter().all(|mount| {
        let other = clean(text(&mount["mountPath"]));
        let is_between = is_within(&folder, &other) && other.len() > path.len();
        let is_inside = other != folder && is_within(&other, &folder);
        let is_data_inside = is_inside && moved(container).is_none() && can_hold(set, text(&mount["name"]));
        !(is_between || is_data_inside)
    })
}

/// Settings and keys hold no data, nor does what is not there.
fn can_hold(set: Set<'_>, volume: &str) -> bool {
    let is_settings = |volume: &Value| SETTINGS.iter().any(|kind| volume[*kind].is_object());
    let mut volumes = set.effective_volumes().filter(|each| text(&each["name"]) == volume);
    set.claim_templates().iter().any(|template| name(template) == volume) || volumes.any(|each| !is_settings(each))
}

/// Where `PGDATA` says, or else where the image has its data. `None`: nobody knows.
fn data_folder(container: &Value) -> Option<String> {
    match moved(container) {
        Some(folder) => folder,
        None => lists::data_folder(text(&container["image"])).map(str::to_owned),
    }
}

/// `PGDATA`, if it is set, with what it refers to put in; within, `None` where that is not known.
fn moved(container: &Value) -> Option<Option<String>> {
    let env = list(&container["env"]);
    let at = env.iter().rposition(|variable| variable["name"] == "PGDATA")?;
    if env[at]["valueFrom"].is_null() && text(&env[at]["value"]).is_empty() {
        return None;
    }
    let mut value = text(&env[at]["value"]).to_owned();
    for above in env[..at].iter().filter(|above| above["valueFrom"].is_null()) {
        value = value.replace(&format!("$({})", text(&above["name"])), text(&above["value"]));
    }
    Some(Some(value).filter(|value| value.starts_with('/') && !value.contains("$(")))
}

/// As the kernel walks it.
fn clean(path: &str) -> String {
    let mut walked = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => _ = walked.pop(),
            name => walked.push(name),
        }
    }
    format!("/{}", walked.join("/"))
}

/// A known database that mounts nothing which could keep its data: it writes to the layer of its image.
fn writes_to_image(set: Set<'_>, container: &Value) -> bool {
    let holds_data = |mount: &Value| {
        let name = text(&mount["name"]);
        let is_scratch = |volume: &Value| has_no_source(volume) || SCRATCH.iter().any(|kind| volume[*kind].is_object());
        let mut volumes = set.effective_volumes().filter(|volume| volume["name"] == mount["name"]);
        set.claim_templates().iter().any(|template| self::name(template) == name)
            || is_at_data(set, container, mount)
            || volumes.any(|volume| !is_scratch(volume))
    };
    let is_mapped = !list(&container["volumeDevices"]).is_empty();
    let is_database = lists::keeps_data(text(&container["image"]));
    let is_known = is_unseen(container) || moved(container).is_none_or(|folder| folder.is_some());
    is_database && is_known && !is_mapped && !list(&container["volumeMounts"]).iter().any(holds_data)
}

fn is_within(path: &str, mount: &str) -> bool {
    let mount = mount.trim_end_matches('/');
    path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn has_no_source(volume: &Value) -> bool {
    volume.as_object().is_some_and(|fields| fields.iter().all(|(key, value)| key == "name" || value.is_null()))
}

/// Volumes that hold nothing of their own, or nothing that lasts.
const SCRATCH: &[&str] = &["emptyDir", "configMap", "secret", "projected", "downwardAPI"];

/// Volumes that other objects fill.
const SETTINGS: &[&str] = &["configMap", "secret", "projected", "downwardAPI"];
