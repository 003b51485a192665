//! Reading objects as `rules.md` speaks of them.

use serde_json::Value;

/// A StatefulSet.
#[derive(Clone, Copy)]
pub(super) struct Set<'a>(pub(super) &'a Value);

impl<'a> Set<'a> {
    pub(super) fn spec(self) -> &'a Value {
        &self.0["spec"]
    }

    pub(super) fn pod(self) -> &'a Value {
        &self.spec()["template"]["spec"]
    }

    pub(super) fn pod_labels(self) -> &'a Value {
        &self.spec()["template"]["metadata"]["labels"]
    }

    pub(super) fn name(self) -> &'a str {
        name(self.0)
    }

    pub(super) fn replicas(self) -> i64 {
        self.spec()["replicas"].as_i64().unwrap_or(1)
    }

    pub(super) fn is_several(self) -> bool {
        self.replicas() >= 2
    }

    pub(super) fn start(self) -> i64 {
        self.spec()["ordinals"]["start"].as_i64().unwrap_or(0)
    }

    pub(super) fn service_name(self) -> &'a str {
        text(&self.spec()["serviceName"])
    }

    pub(super) fn claim_templates(self) -> &'a [Value] {
        list(&self.spec()["volumeClaimTemplates"])
    }

    /// Pod volumes that no claim template hides.
    pub(super) fn effective_volumes(self) -> impl Iterator<Item = &'a Value> {
        list(&self.pod()["volumes"]).iter().filter(move |volume| !self.is_hidden(volume))
    }

    pub(super) fn is_hidden(self, volume: &Value) -> bool {
        self.claim_templates().iter().any(|template| name(template) == text(&volume["name"]))
    }

    /// `None` for a value that Kubernetes does not have yet.
    pub(super) fn is_ordered(self) -> Option<bool> {
        match text(&self.spec()["podManagementPolicy"]) {
            "" | "OrderedReady" => Some(true),
            "Parallel" => Some(false),
            _ => None,
        }
    }

    pub(super) fn annotation(self, key: &str) -> Option<&'a str> {
        annotation(self.0, key)
    }
}

pub(super) fn name(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

pub(super) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

/// Absent and empty are the same.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value.as_object().into_iter().flat_map(|map| map.keys()).map(String::as_str)
}

/// Init containers and containers; ephemeral ones do not count.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = &Value> + Clone {
    list(&pod["initContainers"]).iter().chain(list(&pod["containers"]))
}

/// Containers, and init containers that go on running beside them.
pub(super) fn long_running(pod: &Value) -> impl Iterator<Item = &Value> + Clone {
    let sidecars = list(&pod["initContainers"]).iter().filter(|container| container["restartPolicy"] == "Always");
    list(&pod["containers"]).iter().chain(sidecars)
}

/// The mounts of a volume, in whichever container.
pub(super) fn mounts<'a>(pod: &'a Value, volume: &'a str) -> impl Iterator<Item = &'a Value> + Clone {
    containers(pod)
        .flat_map(|container| list(&container["volumeMounts"]))
        .filter(move |mount| text(&mount["name"]) == volume)
}

/// Whether a container maps it as a device.
pub(super) fn is_mapped(pod: &Value, volume: &str) -> bool {
    containers(pod)
        .flat_map(|container| list(&container["volumeDevices"]))
        .any(|device| text(&device["name"]) == volume)
}

/// Only where every mount of it is read-only is a volume not written.
pub(super) fn is_written(pod: &Value, volume: &str) -> bool {
    let mut all = mounts(pod, volume);
    is_mapped(pod, volume) || all.clone().next().is_none() || all.any(|mount| mount["readOnly"] != true)
}

/// The claim that a pod's volume names, if anything may write through it.
pub(super) fn written_claim<'a>(volume: &'a Value, pod: &Value) -> Option<&'a str> {
    let claim = &volume["persistentVolumeClaim"];
    let is_written = claim["readOnly"] != true && is_written(pod, text(&volume["name"]));
    claim["claimName"].as_str().filter(|_| is_written)
}

/// `NAME-N` without leading zeros, or nothing.
pub(super) fn split_ordinal(name: &str) -> Option<(&str, i64)> {
    let (parent, ordinal) = name.rsplit_once('-')?;
    let is_number = !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit());
    let is_canonical = is_number && (ordinal == "0" || !ordinal.starts_with('0'));
    is_canonical.then(|| Some((parent, ordinal.parse().ok()?))).flatten()
}
