//! What `test` found, in the order in which it is reported.

pub mod github;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod junit;
pub mod markdown;
pub mod sarif;
pub mod table;
pub mod text;

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;
use stateward_core::manifest::Profile;

use crate::wrong::Wrong;

/// What `test` found.
#[derive(Clone, Debug, Default)]
pub struct CasesReport {
    /// Files with cases that ran, in name order.
    pub files: Vec<CaseFile>,
    /// What could not be read.
    pub unreadable: Vec<Wrong>,
    /// Which rules have cases.
    pub coverage: Coverage,
    /// Nothing may be left out of the list of rules without cases: it was asked for.
    pub requires_coverage: bool,
}

/// The cases of one file.
#[derive(Clone, Debug, Default)]
pub struct CaseFile {
    /// As it was named.
    pub file: String,
    /// In the file's order.
    pub cases: Vec<CaseResult>,
}

/// What came of one case.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// What it is about: `family/name`.
    pub rule: String,
    /// Where it begins, from 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// In all profiles.
    pub took: Duration,
    /// Passed, failed or broken.
    pub outcome: Outcome,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Exactly what is expected was said.
    Passed,
    /// Something else was said.
    Failed(Vec<Difference>),
    /// It could not be asked.
    Broken(Wrong),
}

/// Where what was said differs from what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In which profiles it is the same.
    pub profiles: Vec<Profile>,
    /// In the words of the file.
    pub lines: Vec<DiffLine>,
}

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// `-` expected, `+` found, or a space.
    pub sign: char,
    /// Without the sign.
    pub text: String,
}

/// Which rules have cases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// All rules of the families that cases are about; where coverage is asked for, of the policies.
    pub rules: usize,
    /// Those with at least one case.
    pub with_cases: usize,
    /// The others.
    pub without: Vec<String>,
}

/// The report in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Files with cases that ran.
    pub files: usize,
    /// Cases that ran.
    pub cases: usize,
    /// Cases that said what they expect.
    pub passed: usize,
    /// Cases that said something else.
    pub failed: usize,
    /// Cases that could not be asked.
    pub broken: usize,
    /// Errors of files and cases that could not be read.
    pub unreadable: usize,
}

impl CasesReport {
    /// Counts.
    pub fn summary(&self) -> Summary {
        let count = |is_it: fn(&Outcome) -> bool| {
            self.files.iter().flat_map(|file| &file.cases).filter(|case| is_it(&case.outcome)).count()
        };
        let passed = count(|outcome| *outcome == Outcome::Passed);
        let broken = count(|outcome| matches!(outcome, Outcome::Broken(_)));
        let cases = count(|_| true);
        let failed = cases - passed - broken;
        Summary { files: self.files.len(), cases, passed, failed, broken, unreadable: self.unreadable.len() }
    }

    /// What could not be read of one file.
    pub(crate) fn unreadable_in<'a>(&'a self, file: &'a str) -> impl Iterator<Item = &'a Wrong> {
        self.unreadable.iter().filter(move |wrong| wrong.file == file)
    }
}

impl Outcome {
    /// `passed`, `failed` or `broken`.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Broken(_) => "broken",
        }
    }
}

impl CaseResult {
    /// What is wrong in one sentence; nothing of a case that passed.
    pub(crate) fn sentence(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Passed => None,
            Outcome::Failed(differences) => {
                let profiles: Vec<String> = differences.iter().map(Difference::profiles).collect();
                Some(format!("`{}` says something else in profile {}", self.rule, profiles.join(" and ")))
            }
            Outcome::Broken(wrong) => Some(wrong.message.clone()),
        }
    }

    /// Line and column of what is wrong, or of the case.
    pub(crate) fn at(&self) -> (usize, usize) {
        match &self.outcome {
            Outcome::Broken(Wrong { line: Some(line), column: Some(column), .. }) => (*line, *column),
            _ => (self.line, self.column),
        }
    }

    /// The way out, where one is known.
    pub(crate) fn hint(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Broken(wrong) => wrong.hint.as_deref(),
            _ => None,
        }
    }

    /// All differences in the words of the file, one line each.
    pub(crate) fn diff(&self) -> String {
        let mut text = String::new();
        let Outcome::Failed(differences) = &self.outcome else { return text };
        for difference in differences {
            let _ = writeln!(text, "in profile {}: - expected, + found", difference.profiles());
            for line in &difference.lines {
                let _ = writeln!(text, "{} {}", line.sign, line.text);
            }
        }
        text
    }
}

impl CasesReport {
    /// Every case that did not pass, with its file.
    pub(crate) fn not_passed(&self) -> impl Iterator<Item = (&CaseFile, &CaseResult)> {
        let all = self.files.iter().flat_map(|file| file.cases.iter().map(move |case| (file, case)));
        all.filter(|(_, case)| case.outcome != Outcome::Passed)
    }
}

impl Summary {
    /// `4 cases in 1 file: 1 passed, 2 failed, 1 broken, 1 error in what was read`.
    pub(crate) fn in_numbers(&self) -> String {
        let Self { files, cases, passed, failed, broken, unreadable } = *self;
        let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let broken = if broken == 0 { String::new() } else { format!(", {broken} broken") };
        let unread =
            if unreadable == 0 { String::new() } else { format!(", {} in what was read", count(unreadable, "error")) };
        format!(
            "{} in {}: {passed} passed, {failed} failed{broken}{unread}",
            count(cases, "case"),
            count(files, "file")
        )
    }
}

impl Difference {
    /// `baseline and strict`.
    pub fn profiles(&self) -> String {
        self.profiles.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    }
}
