//! Writes what rules say now into the cases that expected something else. What breaks there only a person can say: no finding is added without a `why`.

use serde_json::Value;
use stateward_core::manifest::{Action, Profile};

use crate::case::Case;
use crate::compare::operation;
use crate::edit::{Edits, Reason, scalar};
use crate::expected::{ByProfile, ExpectedFinding};
use crate::file::{CaseFile, CaseFiles, read_text};
use crate::run::{CaseResult, Outcome, ProfileRun, Runner};
use crate::said::Finding;

/// A file with its failing cases brought up to date.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Updated {
    /// The file's new text; `None` when nothing was changed.
    pub text: Option<String>,
    /// Names of the cases that were changed.
    pub cases: Vec<String>,
    /// Names of the cases that were left alone, and why.
    pub left: Vec<(String, String)>,
}

impl Runner<'_> {
    /// Changes the failing ones of some cases, one after the other. A change counts only when the case passes with it and nothing else of the
    /// file means something else than before.
    pub async fn update(&self, file: &CaseFile, results: &[(&Case, &CaseResult)], why: Option<&str>) -> Updated {
        let mut updated = Updated::default();
        let mut current = file.clone();
        for (case, result) in results {
            let Outcome::Failed(_) = result.outcome else { continue };
            match self.changed(&current, case.index, &result.runs, why).await {
                Ok(changed) => {
                    updated.cases.push(case.name.clone());
                    updated.text = Some(changed.data.text().to_owned());
                    current = changed;
                }
                Err(reason) => updated.left.push((case.name.clone(), reason)),
            }
        }
        updated
    }

    async fn changed(
        &self,
        file: &CaseFile,
        index: usize,
        runs: &[ProfileRun],
        why: Option<&str>,
    ) -> Result<CaseFile, Reason> {
        let find = |file: &CaseFile| file.cases.iter().find(|case| case.index == index).cloned();
        let case = find(file).ok_or("it cannot be read any more")?;
        if let Some(failure) = runs.iter().flat_map(|run| &run.said.failures).next() {
            return Err(failure.clone());
        }
        let before = read_text(&file.data.file, file.data.text().to_owned());
        let after = read_text(&file.data.file, edited(file, &case, runs, why)?);
        if let Some(error) = after.errors.get(before.errors.len()) {
            return Err(format!("it could not be read afterwards: {}", error.message));
        }
        let is_this = |other: &&CaseFile| other.document == file.document;
        let changed = after.files.iter().find(is_this).cloned().ok_or("it could not be read afterwards")?;
        let others = |read: &CaseFiles| -> Vec<String> {
            read.files.iter().filter(|other| !is_this(other)).map(|other| other.data.json.clone()).collect()
        };
        if without_expectations(file, index) != without_expectations(&changed, index)
            || others(&before) != others(&after)
        {
            return Err("something else would change with it".to_owned());
        }
        let case = find(&changed).ok_or("it could not be read afterwards")?;
        match self.run(&changed, &case).await.outcome {
            Outcome::Passed => Ok(changed),
            Outcome::Failed(_) | Outcome::Broken(_) => Err("it would fail still; edit it by hand".to_owned()),
        }
    }
}

/// All that the file says, but for what this case expects.
fn without_expectations(file: &CaseFile, index: usize) -> Value {
    let mut value = file.data.value();
    if let Some(case) = value.pointer_mut(&format!("/cases/{index}")).and_then(Value::as_object_mut) {
        for field in ["findings", "undecided", "changes"] {
            case.remove(field);
        }
    }
    value
}

fn edited(file: &CaseFile, case: &Case, runs: &[ProfileRun], why: Option<&str>) -> Result<String, Reason> {
    let mut edits = Edits::new(&file.data, case)?;
    findings(&mut edits, case, runs, why)?;
    let undecided = same_in_all(runs, "undecided", |run| &run.said.undecided)?;
    if !is_undecided_as_expected(case, runs) {
        let reasons: Vec<String> = undecided.iter().map(|reason| scalar(reason)).collect();
        edits.replace_list("undecided", &reasons)?;
    }
    let changes = same_in_all(runs, "changes", |run| &run.said.changes)?;
    let sorted = |changes: &[Value]| {
        let mut texts: Vec<String> = changes.iter().map(Value::to_string).collect();
        texts.sort();
        texts
    };
    if sorted(&changes) != sorted(&case.expected.changes) {
        let operations: Vec<String> = changes.iter().map(operation).collect();
        edits.replace_list("changes", &operations)?;
    }
    Ok(edits.apply())
}

fn is_undecided_as_expected(case: &Case, runs: &[ProfileRun]) -> bool {
    runs.iter().all(|run| crate::compare::undecided(&case.expected.undecided, &run.said.undecided).is_empty())
}

fn same_in_all<T: Clone + PartialEq>(
    runs: &[ProfileRun],
    what: &str,
    of: impl Fn(&ProfileRun) -> &Vec<T>,
) -> Result<Vec<T>, Reason> {
    let first = runs.first().map(|run| of(run).clone()).unwrap_or_default();
    if runs.iter().all(|run| *of(run) == first) {
        Ok(first)
    } else {
        Err(format!("`{what}` differs by profile: make two cases of it, each with its `profile`"))
    }
}

/// A finding in all profiles in which the case ran.
struct Merged<'r> {
    finding: &'r Finding,
    action: ByProfile,
}

fn findings(edits: &mut Edits<'_>, case: &Case, runs: &[ProfileRun], why: Option<&str>) -> Result<(), Reason> {
    let old = &case.expected.findings;
    let merged = merge(runs);
    let pairs = pair(old, &merged);
    let removed: Vec<usize> = (0..old.len()).filter(|index| pairs.iter().all(|pair| *pair != Some(*index))).collect();
    let is_new = |at: usize| pairs.get(at).is_some_and(Option::is_none);
    let new: Vec<&Merged<'_>> = merged.iter().enumerate().filter(|(at, _)| is_new(*at)).map(|(_, one)| one).collect();
    if !new.is_empty() && why.is_none() {
        return Err("it has a new finding: say with `--why TEXT` what breaks there".to_owned());
    }
    let added: Vec<String> = new
        .iter()
        .map(|merged| item(merged, case, Some(&merged.finding.message), None, why.unwrap_or_default()))
        .collect();
    if old.is_empty() {
        return edits.replace_list("findings", &added);
    }
    if removed.len() == old.len() && added.is_empty() {
        return edits.replace_list("findings", &[]);
    }
    let is_rewritten = !(edits.is_block_list("findings") || removed.is_empty() && added.is_empty());
    if is_rewritten || removed.len() == old.len() {
        let kept = merged.iter().zip(&pairs).filter_map(|(merged, pair)| {
            let old = old.get((*pair)?)?;
            let message = old.message.as_ref().map(|_| &merged.finding.message);
            let hint = old.hint.as_ref().and(merged.finding.hint.as_ref());
            Some(item(merged, case, message, hint, &old.why))
        });
        let all: Vec<String> = kept.chain(added).collect();
        return edits.replace_list("findings", &all);
    }
    for (merged, pair) in merged.iter().zip(&pairs) {
        if let Some((index, old)) = pair.and_then(|index| Some((index, old.get(index)?))) {
            fields(edits, case, index, old, merged)?;
        }
    }
    edits.change_list("findings", &removed, &added)
}

/// Changes the fields of a finding that are others now.
fn fields(
    edits: &mut Edits<'_>,
    case: &Case,
    index: usize,
    old: &ExpectedFinding,
    merged: &Merged<'_>,
) -> Result<(), Reason> {
    let mut change = |field: &str, value: String| edits.replace(&format!("findings/{index}/{field}"), value);
    let Finding { path, place, message, hint, .. } = merged.finding;
    if old.path != *path {
        change("path", scalar(path))?;
    }
    if old.place != *place {
        change("place", scalar(place))?;
    }
    if case.profiles.iter().any(|&profile| old.action.in_profile(profile) != merged.action.in_profile(profile)) {
        change("action", action(merged.action, &case.profiles))?;
    }
    if old.message.as_ref().is_some_and(|old| old != message) {
        change("message", scalar(message))?;
    }
    match (&old.hint, hint) {
        (Some(old), Some(hint)) if old != hint => change("hint", scalar(hint)),
        (Some(_), None) => Err("a hint is gone: take it out by hand".to_owned()),
        _ => Ok(()),
    }
}

/// The same finding in several profiles is one. With another message it is another.
fn merge(runs: &[ProfileRun]) -> Vec<Merged<'_>> {
    let mut all: Vec<Merged<'_>> = Vec::new();
    for ProfileRun { profile, said } in runs {
        for finding in &said.findings {
            let known = all.iter_mut().find(|merged| {
                let Finding { path, place, message, hint, .. } = merged.finding;
                (path, place, message, hint) == (&finding.path, &finding.place, &finding.message, &finding.hint)
                    && merged.action.in_profile(*profile).is_none()
            });
            match known {
                Some(merged) => merged.action.set(*profile, finding.action),
                None => {
                    let mut action = ByProfile::all(Action::Off);
                    action.set(*profile, finding.action);
                    all.push(Merged { finding, action });
                }
            }
        }
    }
    all
}

/// For each finding which expected one it is: that at its path and place, else one that is still free at its path or place.
fn pair(old: &[ExpectedFinding], merged: &[Merged<'_>]) -> Vec<Option<usize>> {
    let mut pairs: Vec<Option<usize>> = vec![None; merged.len()];
    let is_at = [
        |old: &ExpectedFinding, new: &Finding| old.path == new.path && old.place == new.place,
        |old: &ExpectedFinding, new: &Finding| old.path == new.path || old.place == new.place,
    ];
    for is_at in is_at {
        for (at, merged) in merged.iter().enumerate() {
            let is_free = |index: &usize| !pairs.contains(&Some(*index));
            let found = old
                .iter()
                .enumerate()
                .filter(|(index, _)| is_free(index))
                .find(|(_, old)| is_at(old, merged.finding))
                .map(|(index, _)| index);
            if let Some(pair) = pairs.get_mut(at).filter(|pair| pair.is_none()) {
                *pair = found;
            }
        }
    }
    pairs
}

/// An item of `findings`, a line for each field.
fn item(merged: &Merged<'_>, case: &Case, message: Option<&String>, hint: Option<&String>, why: &str) -> String {
    let mut lines = vec![
        format!("path: {}", scalar(&merged.finding.path)),
        format!("place: {}", scalar(&merged.finding.place)),
        format!("action: {}", action(merged.action, &case.profiles)),
    ];
    lines.extend(message.map(|message| format!("message: {}", scalar(message))));
    lines.extend(hint.map(|hint| format!("hint: {}", scalar(hint))));
    lines.push(format!("why: {}", scalar(why)));
    lines.join("\n")
}

/// `Deny`, or `{baseline: Warn, strict: Deny}`.
fn action(action: ByProfile, profiles: &[Profile]) -> String {
    let name = |profile: Profile| format!("{:?}", action.in_profile(profile).unwrap_or(Action::Off));
    let mut names: Vec<String> = profiles.iter().map(|&profile| name(profile)).collect();
    names.dedup();
    match names.as_slice() {
        [one] => one.clone(),
        _ => {
            let each: Vec<String> = profiles.iter().map(|&profile| format!("{profile}: {}", name(profile))).collect();
            format!("{{{}}}", each.join(", "))
        }
    }
}
