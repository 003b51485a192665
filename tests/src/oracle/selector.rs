//! Label selectors, as apimachinery has them.

use serde_json::Value;

use super::tree::{list, text};

/// A `LabelSelector`: the empty one selects everything, the absent one nothing.
pub(super) fn selects(selector: &Value, labels: &Value) -> bool {
    selector.is_object()
        && contains(labels, &selector["matchLabels"])
        && list(&selector["matchExpressions"]).iter().all(|expression| holds(expression, labels))
}

/// A Service: an empty selector selects nothing, and an alias has no pods whatever it says.
pub(super) fn service_selects(service: &Value, labels: &Value) -> bool {
    let selector = &service["spec"]["selector"];
    let is_alias = service["spec"]["type"] == "ExternalName";
    !is_alias && selector.as_object().is_some_and(|wanted| !wanted.is_empty()) && contains(labels, selector)
}

fn contains(labels: &Value, wanted: &Value) -> bool {
    wanted.as_object().into_iter().flatten().all(|(key, value)| labels[key] == *value)
}

fn holds(expression: &Value, labels: &Value) -> bool {
    let label = &labels[text(&expression["key"])];
    let is_one = list(&expression["values"]).contains(label);
    match text(&expression["operator"]) {
        "In" => is_one,
        "NotIn" => label.is_null() || !is_one,
        "Exists" => !label.is_null(),
        "DoesNotExist" => label.is_null(),
        _ => false,
    }
}
