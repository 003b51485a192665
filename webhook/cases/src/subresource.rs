//! Objects of subresources, made of the objects that they are about: a case may give either.

use serde_json::{Map, Value, json};
use stateward_core::request::{GroupVersionResource, Operation};

use crate::request::{Parts, text_of};

/// Puts the subresource's own objects in place of those that it is about. These are stored then: else there would be nothing to ask for.
pub(crate) fn derive(asked: &mut Parts, subresource: &str, resource: &GroupVersionResource<'_>) {
    match subresource {
        "scale" if is_kind(asked, "Scale") => {
            if let Some(workload) = asked.old.take_if(|old| text_of(old, "/kind").as_deref() != Some("Scale")) {
                asked.old = Some(scale(&workload));
                asked.stored.push(workload);
            }
        }
        "scale" => {
            let before = asked.old.take().or_else(|| asked.object.clone());
            asked.object = asked.object.as_ref().map(scale);
            asked.old = before.as_ref().filter(|_| asked.operation != Operation::Create).map(scale);
            asked.stored.extend(before);
        }
        "eviction" if resource.resource == "pods" && !is_kind(asked, "Eviction") => {
            let Some(pod) = asked.object.take() else { return };
            asked.object = Some(eviction(&pod, asked.options.take()));
            asked.stored.push(pod);
        }
        _ => {}
    }
}

/// The Scale of a workload. The server's type leaves 0 out.
pub(crate) fn scale(workload: &Value) -> Value {
    let replicas = workload.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    let running = workload.pointer("/status/replicas").and_then(Value::as_u64).unwrap_or(0);
    let spec = if replicas == 0 { json!({}) } else { json!({ "replicas": replicas }) };
    json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": identity(workload), "spec": spec, "status": { "replicas": running },
    })
}

fn eviction(pod: &Value, options: Option<Map<String, Value>>) -> Value {
    let mut eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": identity(pod) });
    if let (Some(options), Some(eviction)) = (options, eviction.as_object_mut()) {
        eviction.insert("deleteOptions".to_owned(), Value::Object(options));
    }
    eviction
}

fn identity(object: &Value) -> Value {
    let fields = ["name", "namespace", "uid"];
    let given = fields.into_iter().filter_map(|field| {
        text_of(object, &format!("/metadata/{field}")).map(|text| (field.to_owned(), Value::from(text)))
    });
    Value::Object(given.collect())
}

fn is_kind(asked: &Parts, kind: &str) -> bool {
    asked.about().and_then(|object| text_of(object, "/kind")).as_deref() == Some(kind)
}
