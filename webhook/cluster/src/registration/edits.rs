//! What of a stored configuration is ours, and what others may add to it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::names::FIELD_MANAGER;
use crate::webhooks::{Entry, FAIL};

/// The stored configuration as it should be; `None` when it is. All of `webhooks` is ours: an entry or a condition that somebody adds could hide
/// requests from us. Labels, annotations and owners of others stay.
///
/// Where `keep_ca`, somebody else writes the CA bundles; a new entry gets that of its neighbour.
pub(super) fn corrected(stored: &Value, derived: &Value, keep_ca: bool) -> Option<Value> {
    let mut wanted = stored.clone();
    let object = wanted.as_object_mut()?;
    match derived.get("webhooks") {
        None => object.remove("webhooks"),
        Some(webhooks) => {
            let webhooks = if keep_ca { with_bundles(webhooks, stored) } else { webhooks.clone() };
            object.insert("webhooks".to_owned(), webhooks)
        }
    };
    own(object, derived)?;
    (wanted != *stored).then_some(wanted)
}

/// The same for the guard, of which all of `spec` is ours.
pub(super) fn corrected_spec(stored: &Value, derived: &Value) -> Option<Value> {
    let mut wanted = stored.clone();
    let object = wanted.as_object_mut()?;
    object.insert("spec".to_owned(), derived.get("spec").cloned().unwrap_or_default());
    own(object, derived)?;
    (wanted != *stored).then_some(wanted)
}

/// Puts our labels and our owner back. `None`: this is no object of the API server's.
fn own(object: &mut Map<String, Value>, derived: &Value) -> Option<()> {
    let metadata = object.entry("metadata").or_insert_with(|| json!({})).as_object_mut()?;
    if let Some(labels) = derived.pointer("/metadata/labels").and_then(Value::as_object) {
        let stored = metadata.entry("labels").or_insert_with(|| json!({})).as_object_mut()?;
        stored.extend(labels.clone());
    }
    if let Some([owner]) = derived.pointer("/metadata/ownerReferences").and_then(Value::as_array).map(Vec::as_slice) {
        let owners = metadata.entry("ownerReferences").or_insert_with(|| json!([])).as_array_mut()?;
        if !owners.contains(owner) {
            // The reference to a ClusterRole of an earlier installation would take the configuration away.
            owners.retain(|other| other.get("kind") != owner.get("kind") || other.get("name") != owner.get("name"));
            owners.push(owner.clone());
        }
    }
    Some(())
}

/// Who wrote the object last, by the name that he gave himself: `kubectl-edit`, `argocd-controller`, .. Of two within one second, which is all that the API
/// server notes, the other than us: what we wrote last was as derived.
pub(super) fn last_writer(stored: &Value) -> String {
    let writers = stored.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let named = writers.filter_map(|writer| Some((writer.get("time")?.as_str()?, writer.get("manager")?.as_str()?)));
    let last = named.max_by_key(|(time, manager)| (*time, *manager != FIELD_MANAGER));
    last.map_or("somebody", |(_, manager)| manager).to_owned()
}

/// The entries of which a failure refuses.
pub(super) fn failing(stored: &Value) -> BTreeSet<Entry> {
    let entries = stored.get("webhooks").and_then(Value::as_array).into_iter().flatten();
    entries
        .filter(|entry| entry.get("failurePolicy").and_then(Value::as_str) == Some(FAIL))
        .filter_map(|entry| Entry::named(entry.get("name")?.as_str()?))
        .collect()
}

fn with_bundles(derived: &Value, stored: &Value) -> Value {
    let entries = || stored.get("webhooks").and_then(Value::as_array).into_iter().flatten();
    let bundle = |entry: &Value| entry.pointer("/clientConfig/caBundle").cloned();
    let mut derived = derived.clone();
    for entry in derived.as_array_mut().into_iter().flatten() {
        let same = entries().find(|other| other.get("name") == entry.get("name")).and_then(bundle);
        let Some(found) = same.or_else(|| entries().find_map(bundle)) else { continue };
        if let Some(config) = entry.get_mut("clientConfig").and_then(Value::as_object_mut) {
            config.insert("caBundle".to_owned(), found);
        }
    }
    derived
}

/// The entries of a configuration.
pub(super) fn entries(configuration: &Value) -> BTreeSet<Entry> {
    let entries = configuration.get("webhooks").and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(|entry| Entry::named(entry.get("name")?.as_str()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived() -> Value {
        json!({
            "metadata": {
                "name": "stateward",
                "labels": {"app.kubernetes.io/name": "stateward"},
                "ownerReferences": [{"kind": "ClusterRole", "name": "stateward", "uid": "2"}],
            },
            "webhooks": [
                {"name": "validate-fail.stateward.dev", "failurePolicy": "Fail", "clientConfig": {"url": "u"}},
                {"name": "validate-ignore.stateward.dev", "failurePolicy": "Ignore", "clientConfig": {"url": "u"}},
            ],
        })
    }

    #[test]
    fn what_others_add_beside_our_entries_stays() {
        let mut stored = derived();
        stored["metadata"]["annotations"] = json!({"cert-manager.io/inject-ca-from": "a/b"});
        stored["metadata"]["labels"]["team"] = json!("x");
        stored["metadata"]["resourceVersion"] = json!("7");
        assert_eq!(corrected(&stored, &derived(), false), None);
    }

    #[test]
    fn every_edit_of_an_entry_is_undone() {
        let edits: [(&str, Value); 4] = [
            ("/webhooks/0/failurePolicy", json!("Ignore")),
            ("/webhooks/0/clientConfig", json!({"url": "elsewhere"})),
            ("/webhooks/1", json!({"name": "other"})),
            ("/metadata/labels/app.kubernetes.io~1name", json!("other")),
        ];
        for (pointer, edit) in edits {
            let mut stored = derived();
            stored["metadata"]["resourceVersion"] = json!("7");
            let whole = stored.clone();
            *stored.pointer_mut(pointer).unwrap() = edit;
            assert_eq!(corrected(&stored, &derived(), false), Some(whole), "{pointer}");
        }
        let mut hidden = derived();
        hidden["webhooks"][0]["matchConditions"] = json!([{"name": "no", "expression": "false"}]);
        assert_eq!(corrected(&hidden, &derived(), false), Some(derived()));
        let emptied = json!({"metadata": derived()["metadata"]});
        assert_eq!(corrected(&emptied, &derived(), false).unwrap(), derived());
        assert_eq!(corrected(&derived(), &emptied, false).unwrap(), emptied);
    }

    #[test]
    fn an_owner_of_an_earlier_installation_gives_way() {
        let mut stored = derived();
        let other = json!({"kind": "Other", "name": "stateward", "uid": "9"});
        stored["metadata"]["ownerReferences"] =
            json!([{"kind": "ClusterRole", "name": "stateward", "uid": "1"}, other]);
        let owners = corrected(&stored, &derived(), false).unwrap()["metadata"]["ownerReferences"].clone();
        assert_eq!(owners, json!([other, derived()["metadata"]["ownerReferences"][0]]));
    }

    #[test]
    fn a_bundle_that_somebody_else_writes_stays() {
        let mut stored = derived();
        stored["webhooks"][0]["clientConfig"]["caBundle"] = json!("QQ==");
        stored["webhooks"][1]["clientConfig"]["caBundle"] = json!("Qg==");
        assert_eq!(corrected(&stored, &derived(), true), None);
        stored["webhooks"].as_array_mut().unwrap().remove(1);
        let added = corrected(&stored, &derived(), true).unwrap();
        assert_eq!(added["webhooks"][1]["clientConfig"]["caBundle"], "QQ==");
    }

    #[test]
    fn every_edit_of_the_guard_is_undone() {
        let derived = json!({"metadata": derived()["metadata"], "spec": {"failurePolicy": "Fail", "validations": []}});
        let mut stored = derived.clone();
        stored["metadata"]["annotations"] = json!({"team": "x"});
        stored["status"] = json!({"observedGeneration": 1});
        assert_eq!(corrected_spec(&stored, &derived), None);
        let whole = stored.clone();
        stored["spec"] =
            json!({"failurePolicy": "Ignore", "matchConditions": [{"name": "never", "expression": "false"}]});
        stored["metadata"]["labels"] = json!({});
        assert_eq!(corrected_spec(&stored, &derived), Some(whole));
    }

    #[test]
    fn the_last_writer_is_named() {
        let stored = json!({"metadata": {"managedFields": [
            {"manager": "kubectl-edit", "time": "2026-11-23T05:00:01Z"},
            {"manager": "stateward", "time": "2026-11-23T05:00:01Z"},
            {"manager": "helm", "time": "2026-11-23T05:00:00Z"},
        ]}});
        assert_eq!([last_writer(&stored), last_writer(&json!({}))], ["kubectl-edit", "somebody"]);
    }

    #[test]
    fn tells_which_entries_refuse() {
        assert_eq!(failing(&derived()), [Entry::ValidateFail].into());
        assert_eq!(entries(&derived()), [Entry::ValidateFail, Entry::ValidateIgnore].into());
        assert_eq!(entries(&json!({})), BTreeSet::new());
    }
}
