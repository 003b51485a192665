//! Cases and what came of them as a report.

use stateward_cases::{CaseFile, CaseFiles, CaseResult, Coverage, Outcome, Sign};
use stateward_report::cases;

use crate::exit::wrong;

/// Puts results beside the cases that they are of.
pub(crate) fn of(
    files: &CaseFiles,
    results: Vec<Vec<CaseResult>>,
    coverage: &Coverage,
    requires_coverage: bool,
) -> cases::CasesReport {
    cases::CasesReport {
        files: joined(files.files.iter().zip(results).map(|(file, results)| file_of(file, results))),
        unreadable: files.errors.iter().map(wrong).collect(),
        coverage: cases::Coverage {
            rules: coverage.rules.len(),
            with_cases: coverage.with_cases(),
            without: coverage.without_cases().map(str::to_owned).collect(),
        },
        requires_coverage,
    }
}

/// The documents of a file are one file to its readers.
fn joined(documents: impl Iterator<Item = cases::CaseFile>) -> Vec<cases::CaseFile> {
    let mut files: Vec<cases::CaseFile> = Vec::new();
    for document in documents {
        match files.last_mut().filter(|last| last.file == document.file) {
            Some(last) => last.cases.extend(document.cases),
            None => files.push(document),
        }
    }
    files
}

fn file_of(file: &CaseFile, results: Vec<CaseResult>) -> cases::CaseFile {
    let result = |(case, result): (&stateward_cases::Case, CaseResult)| cases::CaseResult {
        name: case.name.clone(),
        rule: case.rule.clone(),
        line: case.position.line,
        column: case.position.column,
        took: result.took,
        outcome: outcome(result.outcome),
    };
    cases::CaseFile { file: file.data.file.to_string(), cases: file.cases.iter().zip(results).map(result).collect() }
}

fn outcome(outcome: Outcome) -> cases::Outcome {
    match outcome {
        Outcome::Passed => cases::Outcome::Passed,
        Outcome::Broken(error) => cases::Outcome::Broken(wrong(&error)),
        Outcome::Failed(differences) => cases::Outcome::Failed(differences.into_iter().map(difference).collect()),
    }
}

fn difference(difference: stateward_cases::Difference) -> cases::Difference {
    let sign = |sign| match sign {
        Sign::Same => ' ',
        Sign::Expected => '-',
        Sign::Found => '+',
    };
    let lines = difference.lines.into_iter().map(|line| cases::DiffLine { sign: sign(line.sign), text: line.text });
    cases::Difference { profiles: difference.profiles, lines: lines.collect() }
}
