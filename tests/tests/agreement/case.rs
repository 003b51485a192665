//! One object with its neighbours, in a namespace of its own.

use serde_json::{Value, json};
use stateward_tests::corpus;

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The object that the case is about comes first; all of them are judged.
    pub(crate) objects: Vec<Value>,
    /// They are what a cluster holds already: nobody mutates them any more.
    pub(crate) is_stored: bool,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, object: Value, beside: impl IntoIterator<Item = Value>) -> Self {
        let mut case = Self { name: name.into(), objects: vec![object], is_stored: false };
        beside.into_iter().for_each(|neighbour| case.put(neighbour));
        case
    }

    /// Adds a neighbour, instead of the one that has its kind and name: a cluster has no two.
    pub(crate) fn put(&mut self, neighbour: Value) {
        let key = |object: &Value| (object["kind"].clone(), object["metadata"]["name"].clone());
        let is_object = key(&self.objects[0]) == key(&neighbour);
        if !is_object {
            self.objects.retain(|object| key(object) != key(&neighbour));
            self.objects.push(neighbour);
        }
    }

    /// RFC 7386, on the object that the case is about.
    pub(crate) fn patch(&mut self, patch: &Value) {
        json_patch::merge(&mut self.objects[0], patch);
    }

    pub(crate) fn move_to(&mut self, namespace: &str) {
        for object in &mut self.objects {
            corpus::move_to(object, &|_| namespace.to_owned());
            if let Some(Value::String(host)) = object.pointer_mut("/metadata/annotations/stateward.dev~1manager-host") {
                *host = host.replace(NAMESPACE, namespace);
            }
        }
    }

    /// As an API server would have it; `None` where the object itself has no name, and nobody is told apart.
    pub(crate) fn served(mut self) -> Option<Self> {
        let is_named = |object: &Value| object["metadata"]["name"].as_str().is_some_and(|name| !name.is_empty());
        if !is_named(&self.objects[0]) {
            return None;
        }
        self.objects.retain(is_named);
        // It converts what it no longer serves before it asks.
        for set in self.objects.iter_mut().filter(|object| object["kind"] == "StatefulSet") {
            set["apiVersion"] = "apps/v1".into();
        }
        Some(self)
    }

    pub(crate) fn list(&self) -> String {
        json!({"apiVersion": "v1", "kind": "List", "items": self.objects}).to_string()
    }
}

/// Stands in a host's name for the namespace to which the case will be moved.
pub(crate) const NAMESPACE: &str = "NAMESPACE";
