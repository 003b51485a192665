//! What a case says must come of it.

use serde_json::Value;
use stateward_core::manifest::{Action, Profile};
use stateward_manifests::{Data, InputError};

use crate::shape::{CaseShape, FindingShape};

/// Everything that the rule must say; nothing else may be said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// In the file's order.
    pub findings: Vec<ExpectedFinding>,
    /// Reasons, as `check` words them; the group and version of a kind may be left out.
    pub undecided: Vec<String>,
    /// Operations of the JSON Patch.
    pub changes: Vec<Value>,
}

/// A finding that must be made.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedFinding {
    /// JSON Pointer into the object.
    pub path: String,
    /// Its stable name.
    pub place: String,
    /// What it leads to.
    pub action: ByProfile,
    /// The whole message; `None`: any.
    pub message: Option<String>,
    /// The whole hint; `None`: any.
    pub hint: Option<String>,
    /// What breaks there, for the reader.
    pub why: String,
}

/// An action for each profile that the case runs in. `Off`: no finding there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByProfile {
    baseline: Option<Action>,
    strict: Option<Action>,
}

impl ByProfile {
    /// The same in all.
    pub const fn all(action: Action) -> Self {
        Self { baseline: Some(action), strict: Some(action) }
    }

    /// The action in a profile; `None`: no finding is expected.
    pub fn in_profile(self, profile: Profile) -> Option<Action> {
        self.given(profile).filter(|&action| action != Action::Off)
    }

    pub(crate) const fn set(&mut self, profile: Profile, action: Action) {
        match profile {
            Profile::Baseline => self.baseline = Some(action),
            Profile::Strict => self.strict = Some(action),
        }
    }

    const fn given(self, profile: Profile) -> Option<Action> {
        match profile {
            Profile::Baseline => self.baseline,
            Profile::Strict => self.strict,
        }
    }
}

impl Expected {
    /// Of the case at `pointer`, which runs in these profiles.
    pub(crate) fn read(
        data: &Data,
        pointer: &str,
        shape: CaseShape,
        profiles: &[Profile],
        errors: &mut Vec<InputError>,
    ) -> Self {
        let mut findings = Vec::new();
        for (index, finding) in shape.findings.into_iter().enumerate() {
            match finding_of(data, &format!("{pointer}/findings/{index}"), finding, profiles) {
                Ok(finding) => findings.push(finding),
                Err(error) => errors.push(error),
            }
        }
        for (index, change) in shape.changes.iter().enumerate() {
            if serde_json::from_value::<json_patch::PatchOperation>(change.clone()).is_err() {
                let error = data.field_error(&format!("{pointer}/changes/{index}"), "not an operation of a JSON Patch");
                errors.push(error.hint("e.g. `{op: add, path: /metadata/labels, value: {app: db}}`"));
            }
        }
        Self { findings, undecided: shape.undecided, changes: shape.changes }
    }
}

fn finding_of(
    data: &Data,
    pointer: &str,
    shape: FindingShape,
    profiles: &[Profile],
) -> Result<ExpectedFinding, InputError> {
    let action = action_of(data, &format!("{pointer}/action"), &shape.action, profiles)?;
    if shape.why.trim().is_empty() {
        let error = data.field_error(&format!("{pointer}/why"), "says nothing");
        return Err(error.hint("what breaks here, in words: a case is read by people"));
    }
    if !shape.path.is_empty() && !shape.path.starts_with('/') {
        let error = data.field_error(&format!("{pointer}/path"), &format!("`{}` is not a JSON Pointer", shape.path));
        return Err(error.hint("e.g. `/spec/template/spec/containers/0`"));
    }
    let FindingShape { path, place, message, hint, why, .. } = shape;
    Ok(ExpectedFinding { path, place, action, message, hint, why })
}

fn action_of(data: &Data, pointer: &str, value: &Value, profiles: &[Profile]) -> Result<ByProfile, InputError> {
    let one = |pointer: &str, value: &Value| {
        let action: Option<Action> = match value {
            // YAML 1.1 reads a plain `Off` as a boolean, and people write it plainly.
            Value::Bool(false) => Some(Action::Off),
            _ => serde_json::from_value(value.clone()).ok().filter(|&action| action != Action::Apply),
        };
        action.ok_or_else(|| {
            data.field_error(pointer, &format!("`{}` is not an action", plain(value)))
                .hint("`Deny`, `Warn`, `Audit` or `Off`")
        })
    };
    let Value::Object(by_profile) = value else { return one(pointer, value).map(ByProfile::all) };
    if let Some(unknown) = by_profile.keys().find(|key| !matches!(key.as_str(), "baseline" | "strict")) {
        let error = data.error(&format!("{pointer}/{unknown}"), format!("there is no profile `{unknown}`"));
        return Err(error.hint("`baseline` or `strict`"));
    }
    let of = |name: &str| by_profile.get(name).map(|value| one(&format!("{pointer}/{name}"), value)).transpose();
    let action = ByProfile { baseline: of("baseline")?, strict: of("strict")? };
    match profiles.iter().find(|&&profile| action.given(profile).is_none()) {
        None => Ok(action),
        Some(profile) => Err(data
            .field_error(pointer, &format!("says nothing of profile `{profile}`, in which the case runs, too"))
            .hint(format!("add `{profile}: Off` if there is no finding, or limit the case with `profile:`"))),
    }
}

/// Text without its quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
