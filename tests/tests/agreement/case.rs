//! One object with its neighbours, in a namespace of its own.

use serde_json::{Value, json};
use stateward_tests::corpus;

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The object that the case is about comes first; all of them are judged.
    pub(crate) objects: Vec<Value>,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>, object: Value, beside: impl IntoIterator<Item = Value>) -> Self {
        let mut case = Self { name: name.into(), objects: vec![object] };
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
        }
    }

    pub(crate) fn list(&self) -> String {
        json!({"apiVersion": "v1", "kind": "List", "items": self.objects}).to_string()
    }
}
