//! What was expected against what was said, as a diff in the words of the case file.

use serde_json::Value;
use stateward_core::manifest::{Action, Profile};

use crate::expected::{Expected, ExpectedFinding};
use crate::run::ProfileRun;
use crate::said::{Finding, Said};

/// Where what was said differs from what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In which profiles it is the same.
    pub profiles: Vec<Profile>,
    /// As it would be written in the file.
    pub lines: Vec<Line>,
}

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// On which side it is.
    pub sign: Sign,
    /// Without a sign.
    pub text: String,
}

/// On which side a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// On both.
    Same,
    /// Only in the case.
    Expected,
    /// Only in what was said.
    Found,
}

/// Empty: exactly what is expected was said in every profile.
pub(crate) fn differences(expected: &Expected, runs: &[ProfileRun]) -> Vec<Difference> {
    let mut all: Vec<Difference> = Vec::new();
    for ProfileRun { profile, said } in runs {
        let lines = difference(expected, *profile, said);
        match all.iter_mut().find(|known| known.lines == lines) {
            _ if lines.is_empty() => {}
            Some(known) => known.profiles.push(*profile),
            None => all.push(Difference { profiles: vec![*profile], lines }),
        }
    }
    all
}

fn difference(expected: &Expected, profile: Profile, said: &Said) -> Vec<Line> {
    let mut lines: Vec<Line> = said.failures.iter().map(|failure| found(format!("failed: {failure}"))).collect();
    section(&mut lines, "findings:", findings(&expected.findings, profile, &said.findings));
    section(&mut lines, "undecided:", undecided(&expected.undecided, &said.undecided));
    section(&mut lines, "changes:", changes(&expected.changes, &said.changes));
    if let Some(exempt) = said.exempt.as_ref().filter(|_| !lines.is_empty()) {
        lines.push(found(format!("exempt: {exempt}")));
    }
    lines
}

fn section(lines: &mut Vec<Line>, heading: &str, of_section: Vec<Line>) {
    if !of_section.is_empty() {
        lines.push(same(heading.to_owned()));
        lines.extend(of_section);
    }
}

/// A finding is met by one that is the same; what is left over is laid beside what is most like it.
fn findings(all: &[ExpectedFinding], profile: Profile, said: &[Finding]) -> Vec<Line> {
    let mut expected: Vec<(&ExpectedFinding, Action)> =
        all.iter().filter_map(|finding| Some((finding, finding.action.in_profile(profile)?))).collect();
    let mut said: Vec<&Finding> = said.iter().collect();
    expected.retain(|&(wanted, action)| take(&mut said, |finding| meets(finding, wanted, action)).is_none());
    let mut lines = Vec::new();
    for (wanted, action) in expected {
        let near = take(&mut said, |finding| finding.path == wanted.path && finding.place == wanted.place)
            .or_else(|| take(&mut said, |finding| finding.path == wanted.path || finding.place == wanted.place));
        finding_lines(Some((wanted, action)), near, &mut lines);
    }
    for finding in said {
        finding_lines(None, Some(finding), &mut lines);
    }
    lines
}

fn take<'a>(said: &mut Vec<&'a Finding>, is_it: impl Fn(&Finding) -> bool) -> Option<&'a Finding> {
    let at = said.iter().position(|finding| is_it(finding))?;
    Some(said.remove(at))
}

fn meets(finding: &Finding, wanted: &ExpectedFinding, action: Action) -> bool {
    finding.path == wanted.path
        && finding.place == wanted.place
        && finding.action == action
        && wanted.message.as_ref().is_none_or(|message| finding.message == *message)
        && wanted.hint.as_ref().is_none_or(|hint| finding.hint.as_ref() == Some(hint))
}

fn finding_lines(wanted: Option<(&ExpectedFinding, Action)>, said: Option<&Finding>, lines: &mut Vec<Line>) {
    let name = |action: Action| format!("{action:?}");
    let is_told = |text: Option<&String>| wanted.is_none() || text.is_some();
    let message = wanted.and_then(|(wanted, _)| wanted.message.as_ref());
    let hint = wanted.and_then(|(wanted, _)| wanted.hint.as_ref());
    let rows = [
        ("- path: ", wanted.map(|(wanted, _)| wanted.path.clone()), said.map(|said| said.path.clone())),
        ("  place: ", wanted.map(|(wanted, _)| wanted.place.clone()), said.map(|said| said.place.clone())),
        ("  action: ", wanted.map(|(_, action)| name(action)), said.map(|said| name(said.action))),
        ("  message: ", message.cloned(), said.map(|said| said.message.clone()).filter(|_| is_told(message))),
        ("  hint: ", hint.cloned(), said.and_then(|said| said.hint.clone()).filter(|_| is_told(hint))),
    ];
    for (field, wanted, said) in rows {
        pair(field, wanted, said, lines);
    }
    // Whoever expected another action wants to know who lowered this one.
    let is_another = wanted.is_some_and(|(_, action)| said.is_some_and(|said| said.action != action));
    if let Some(lowered) = said.and_then(|said| said.lowered.as_ref()).filter(|_| is_another) {
        lines.push(same(format!("  # lowered by {lowered}")));
    }
}

fn pair(field: &str, wanted: Option<String>, said: Option<String>, lines: &mut Vec<Line>) {
    if wanted == said {
        lines.extend(said.map(|said| same(format!("{field}{said}"))));
        return;
    }
    lines.extend(wanted.map(|wanted| Line { sign: Sign::Expected, text: format!("{field}{wanted}") }));
    lines.extend(said.map(|said| found(format!("{field}{said}"))));
}

pub(crate) fn undecided(wanted: &[String], said: &[String]) -> Vec<Line> {
    let mut said: Vec<&String> = said.iter().collect();
    let mut lines = Vec::new();
    for wanted in wanted {
        match said.iter().position(|said| is_reason(said, wanted)) {
            Some(at) => drop(said.remove(at)),
            None => lines.push(Line { sign: Sign::Expected, text: format!("- {wanted}") }),
        }
    }
    lines.extend(said.into_iter().map(|said| found(format!("- {said}"))));
    lines
}

/// `Service cannot be looked up here` is enough where `v1 Service ..` is said.
fn is_reason(said: &str, wanted: &str) -> bool {
    said == wanted || said.split_once(' ').is_some_and(|(version, rest)| version.contains("v1") && rest == wanted)
}

/// The order of operations at different places says nothing.
fn changes(wanted: &[Value], said: &[Value]) -> Vec<Line> {
    let mut said: Vec<&Value> = said.iter().collect();
    let mut lines = Vec::new();
    for wanted in wanted {
        match said.iter().position(|said| *said == wanted) {
            Some(at) => drop(said.remove(at)),
            None => lines.push(Line { sign: Sign::Expected, text: format!("- {}", operation(wanted)) }),
        }
    }
    lines.extend(said.into_iter().map(|said| found(format!("- {}", operation(said)))));
    lines
}

/// `{op: add, path: /metadata/labels, value: {"app":"db"}}`: in the order in which people read it.
pub(crate) fn operation(value: &Value) -> String {
    let field = |name: &str| {
        let text = value.get(name)?;
        let plain = text.as_str().filter(|_| name != "value").map_or_else(|| text.to_string(), str::to_owned);
        Some(format!("{name}: {plain}"))
    };
    let fields: Vec<String> = ["op", "from", "path", "value"].into_iter().filter_map(field).collect();
    format!("{{{}}}", fields.join(", "))
}

fn same(text: String) -> Line {
    Line { sign: Sign::Same, text }
}

fn found(text: String) -> Line {
    Line { sign: Sign::Found, text }
}
