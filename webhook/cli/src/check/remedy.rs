//! A rule's remedy as a change of the object as its file has it: the rule saw the object after all mutating rules.

use json_patch::PatchOperation::{self, Add, Remove, Replace};
use serde_json::Value;
use stateward_core::patch;
use stateward_core::pointer;
use stateward_core::verdict::Ruling;
use stateward_manifests::Document;
use stateward_report::check::Fix;

/// `None` where the rule has none. It is not written yet.
pub(super) fn of(ruling: &Ruling, judged: &str, document: &Document) -> Option<Fix> {
    let change = ruling.remedy.as_ref()?;
    let refused = |why: &str| Some(Fix { patch: "[]".to_owned(), written: Err(why.to_owned()) });
    let judged: Value = serde_json::from_str(judged).ok()?;
    let source: Value = serde_json::from_str(&document.json).ok()?;
    let Ok(patch) = patch::apply_and_diff(&mut judged.clone(), change) else {
        return refused("the rule's remedy does not fit the object");
    };
    let patch = patch?;
    if !patch.0.iter().all(|operation| is_as_judged(operation, &judged, &source)) {
        return refused("a mutating rule changes this field");
    }
    Some(Fix { patch: serde_json::to_string(&patch).ok()?, written: Ok(Vec::new()) })
}

/// Whether an operation does to both the same: its place is the same one, and so is what is there.
fn is_as_judged(operation: &PatchOperation, judged: &Value, source: &Value) -> bool {
    let path = match operation {
        Add(add) => add.path.as_str(),
        Replace(replace) => replace.path.as_str(),
        Remove(remove) => remove.path.as_str(),
        _ => return false,
    };
    let (mut judged, mut source) = (Some(judged), Some(source));
    for token in pointer::tokens(path) {
        match (judged, source) {
            (Some(Value::Object(one)), Some(Value::Object(other))) => {
                (judged, source) = (one.get(&*token), other.get(&*token));
            }
            // An item more or less, and a number means another one.
            (Some(Value::Array(one)), Some(Value::Array(other))) if one.len() == other.len() => {
                let at = token.parse::<usize>().ok();
                (judged, source) = (at.and_then(|at| one.get(at)), at.and_then(|at| other.get(at)));
            }
            _ => return false,
        }
    }
    judged == source
}
