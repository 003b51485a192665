//! The two kinds of objects of the model, as small as the rules allow, and the JSON that an API server would send of them.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};
use stateward_core::contract::DOMAIN;
pub use stateward_core::contract::{GOVERNED, MANAGER, MANAGER_HOST, ORDINAL, ROLE, SET, WRITE, WRITES};

/// Labels, or annotations.
pub type Map = BTreeMap<String, String>;

/// The two names that sets have here: the victim's, and that of a set that an attacker makes beside it.
pub const SETS: [&str; 2] = ["db", "wiki"];

/// A StatefulSet. Every set here is ordered, has a governing Service of its name, and selects pods by the label `app`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Set {
    /// One of [`SETS`].
    pub name: &'static str,
    /// Given out when it is stored; never twice.
    pub uid: u8,
    /// The value of the label `app` that it selects.
    pub app: &'static str,
    /// `spec.replicas`.
    pub replicas: u8,
    /// `spec.ordinals.start`.
    pub start: u8,
    /// Its own annotations.
    pub annotations: Map,
    /// Labels of its template, beside `app`.
    pub template_labels: Map,
    /// Annotations of its template.
    pub template_annotations: Map,
    /// `status.replicas`, as the controller wrote it last.
    pub status_replicas: u8,
    /// `status.observedGeneration` is `metadata.generation`: when the controller wrote the status, it knew this `spec`.
    pub is_observed: bool,
}

/// A Pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pod {
    /// `db-0`.
    pub name: String,
    /// Its labels.
    pub labels: Map,
    /// Its annotations.
    pub annotations: Map,
    /// Its controller reference.
    pub owner: Option<Owner>,
    /// Deleted, and its containers still run: it has its role until it is gone.
    pub is_terminating: bool,
    /// Who made it. No rule sees this; properties do.
    pub origin: Origin,
    /// The same.
    pub adoption: Adoption,
}

/// A controller reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `apps/v1` or what an attacker writes there.
    pub api_version: &'static str,
    /// The set's name.
    pub name: &'static str,
    /// The set's uid.
    pub uid: u8,
}

/// Who made a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The StatefulSet controller.
    Controller,
    /// Somebody else.
    Stranger,
}

/// Whether the StatefulSet controller has adopted a pod, whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Adoption {
    /// It has not.
    Never,
    /// It has.
    Done,
    /// It has, into a governed set, and the pod got no role.
    DoneWithoutRole,
}

impl Set {
    /// The controller would do the same for both.
    pub fn has_spec_of(&self, other: &Self) -> bool {
        let spec = |set: &Self| {
            (set.uid, set.replicas, set.start, set.template_labels.clone(), set.template_annotations.clone())
        };
        spec(self) == spec(other)
    }

    /// The value of one of its annotations.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }

    /// Its owner wants one writer.
    pub fn is_governed(&self) -> bool {
        self.annotation(WRITES) == Some("manager-only")
    }

    /// The ordinals that it wants.
    pub fn ordinals(&self) -> std::ops::Range<u8> {
        self.start..self.start + self.replicas
    }

    /// The name of one of its pods.
    pub fn pod(&self, ordinal: u8) -> String {
        format!("{}-{ordinal}", self.name)
    }

    /// What caches keep of it: nothing that only its status says.
    pub fn without_status(&self) -> Self {
        Self { status_replicas: 0, is_observed: false, ..self.clone() }
    }

    /// As an API server sends it.
    pub fn json(&self) -> Value {
        let mut labels = self.template_labels.clone();
        labels.insert("app".to_owned(), self.app.to_owned());
        json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": self.name, "namespace": NAMESPACE, "uid": uid(self.uid), "generation": 2, "annotations": self.annotations},
            "spec": {
                "replicas": self.replicas,
                "serviceName": self.name,
                "ordinals": {"start": self.start},
                "selector": {"matchLabels": {"app": self.app}},
                "template": {"metadata": {"labels": labels, "annotations": self.template_annotations}, "spec": {"containers": [{"name": "db"}]}},
            },
            "status": {"replicas": self.status_replicas, "observedGeneration": if self.is_observed { 2 } else { 1 }},
        })
    }

    /// The same set with the metadata that a mutating call left.
    pub fn with_metadata_of(&self, json: &Value) -> Self {
        let mut template_labels = map_at(json, "/spec/template/metadata/labels");
        template_labels.remove("app");
        Self {
            annotations: map_at(json, "/metadata/annotations"),
            template_labels,
            template_annotations: map_at(json, "/spec/template/metadata/annotations"),
            ..self.clone()
        }
    }
}

impl Pod {
    /// The value of a label or an annotation.
    pub fn key(&self, key: &str) -> Option<&str> {
        self.labels.get(key).or_else(|| self.annotations.get(key)).map(String::as_str)
    }

    /// It says that it may write, in whatever way readers look at.
    pub fn may_write(&self) -> bool {
        self.key(WRITE) == Some("allow") || self.key(ROLE) == Some("manager")
    }

    /// It is that set's, by the reference that the controller looks at.
    pub fn is_owned_by(&self, set: &Set) -> bool {
        self.owner.is_some_and(|owner| owner.uid == set.uid)
    }

    /// The set and ordinal in its name.
    pub fn identity(&self) -> Option<(&'static str, u8)> {
        let (set, ordinal) = self.name.rsplit_once('-')?;
        Some((SETS.into_iter().find(|each| *each == set)?, ordinal.parse().ok()?))
    }

    /// As an API server sends it.
    pub fn json(&self) -> Value {
        let mut metadata =
            json!({"name": self.name, "namespace": NAMESPACE, "labels": self.labels, "annotations": self.annotations});
        if let (Some(owner), Some(metadata)) = (self.owner, metadata.as_object_mut()) {
            let reference = json!({"apiVersion": owner.api_version, "kind": "StatefulSet", "name": owner.name, "uid": uid(owner.uid), "controller": true});
            metadata.insert("ownerReferences".to_owned(), json!([reference]));
        }
        if self.is_terminating
            && let Some(metadata) = metadata.as_object_mut()
        {
            metadata.insert("deletionTimestamp".to_owned(), json!("2026-01-01T00:00:00Z"));
        }
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "db"}]}})
    }

    /// The same pod with the metadata that a mutating call left.
    pub fn with_metadata_of(&self, json: &Value) -> Self {
        Self {
            labels: map_at(json, "/metadata/labels"),
            annotations: map_at(json, "/metadata/annotations"),
            ..self.clone()
        }
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, uid, replicas, start, status_replicas, .. } = self;
        f.write_str(name)?;
        if *uid > 0 {
            write!(f, " (uid {uid})")?;
        }
        write!(f, " replicas {replicas} from {start}, status {status_replicas}")?;
        write_map(f, &self.annotations)?;
        if !self.template_labels.is_empty() || !self.template_annotations.is_empty() {
            f.write_str(" template")?;
            write_map(f, &self.template_labels)?;
            write_map(f, &self.template_annotations)?;
        }
        Ok(())
    }
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(owner) = self.owner {
            write!(f, " of {} {} (uid {})", owner.api_version, owner.name, owner.uid)?;
        }
        write_map(f, &self.labels)?;
        write_map(f, &self.annotations)?;
        if self.origin == Origin::Stranger {
            f.write_str(" (made by a stranger)")?;
        }
        if self.is_terminating { f.write_str(" terminating") } else { Ok(()) }
    }
}

/// Pairs of a map, short: the contract's keys without their domain, and without the host, which follows from the others.
fn write_map(f: &mut fmt::Formatter<'_>, map: &Map) -> fmt::Result {
    for (key, value) in map.iter().filter(|(key, _)| *key != MANAGER_HOST) {
        write!(f, " {}={value}", key.trim_start_matches(DOMAIN))?;
    }
    Ok(())
}

fn map_at(json: &Value, pointer: &str) -> Map {
    let pairs = json.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn uid(uid: u8) -> String {
    format!("uid-{uid}")
}

/// Where everything is.
pub const NAMESPACE: &str = "shop";
