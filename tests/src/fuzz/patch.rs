//! Bytes as up to three JSON texts: an object before, one after, and a change to it.

use serde_json::{Value, json};
use stateward_core::evaluate::Change;
use stateward_core::patch::{apply, diff};
use stateward_core::pointer;

/// The difference leads from one to the other and is nothing only between equals; any change is applied or refused, and leaves an object.
pub fn patch(data: &[u8]) {
    let mut texts = serde_json::Deserializer::from_slice(data).into_iter::<Value>().map_while(Result::ok);
    let mut next = || texts.next().unwrap_or_default();
    let (before, after, change) = (next(), next(), next());
    // The roots are objects, as all of Kubernetes' are.
    leads_to(&json!({"root": before}), &json!({"root": after}));
    if before.is_object() && after.is_object() {
        leads_to(&before, &after);
    }
    pointers_lead_back(&after, "", &after);

    let text = change.to_string();
    for change in [Change::MergePatch(text.clone()), Change::JsonPatch(text.clone()), Change::Object(text)] {
        let mut changed = before.clone();
        if apply(&mut changed, &change).is_ok() {
            assert!(changed.is_object(), "{change:?} made {changed}");
            if before.is_object() {
                leads_to(&before, &changed);
            }
        }
    }
}

fn leads_to(before: &Value, after: &Value) {
    let Some(patch) = diff(before, after) else {
        assert_eq!(before, after, "no difference between two that differ");
        return;
    };
    assert_ne!(before, after, "a difference between equals: {patch}");
    let mut changed = before.clone();
    apply(&mut changed, &Change::JsonPatch(json!(patch).to_string())).expect("our own patch applies");
    assert_eq!(&changed, after, "{patch} does not lead from {before}");
}

/// Every place has a pointer that leads to it.
fn pointers_lead_back(root: &Value, pointer: &str, at: &Value) {
    assert_eq!(root.pointer(pointer), Some(at), "`{pointer}`");
    match at {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers_lead_back(root, &format!("{pointer}/{index}"), item);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let token = pointer::escape(key);
                assert_eq!(&pointer::unescape(&token), key);
                pointers_lead_back(root, &format!("{pointer}/{token}"), value);
            }
        }
        _ => {}
    }
}
