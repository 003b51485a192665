//! `check --fix` and `--diff`: what rules know the one right answer to, written into the files.
//!
//! In rounds, in memory: each takes the fixes that share no byte, and judges again, until none is left. The files are written at the end.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use stateward_manifests::{Document, Edited, Operation, Replacement, edit};
use stateward_report::check::{self, CheckReport, Finding, Fix};
use stateward_report::diff;

use crate::exit::NOTE;
use crate::findings::FindingsArgs;

/// What was fixed so far.
#[derive(Default)]
pub(super) struct Fixes {
    files: BTreeMap<String, Edited<'static>>,
    /// Fields that were written, by their object's index: a rule that still wants something else there is another one's opponent.
    touched: BTreeSet<(usize, String)>,
    fixed: usize,
    /// What could not be fixed, and why.
    refused: BTreeSet<String>,
}

/// Finds out what each fix is in bytes of its file. Those that are not to be made are taken away.
pub(super) fn locate(objects: &[Document], args: &FindingsArgs, report: &mut CheckReport) {
    for finding in &mut report.findings {
        if !args.mends(finding) {
            finding.fix = None;
        }
    }
    let mut asked: Vec<(&mut Fix, &Document, Vec<Operation>)> = Vec::new();
    for finding in &mut report.findings {
        let Some(document) = objects.get(finding.object.index) else { continue };
        let Some(fix) = finding.fix.as_mut().filter(|fix| fix.written.is_ok()) else { continue };
        let operations = operations(fix);
        asked.push((fix, document, operations));
    }
    let changes: Vec<(&Document, &[Operation])> =
        asked.iter().map(|(_, document, operations)| (*document, operations.as_slice())).collect();
    let answers = edit(&changes);
    for ((fix, document, _), answer) in asked.iter_mut().zip(answers) {
        fix.written = answer
            .map(|written| written.iter().map(|each| located(document, each)).collect())
            .map_err(|refusal| refusal.to_string());
    }
}

impl Fixes {
    /// Round after round, [`MOST_ROUNDS`] at most: what was fixed, the objects after that, and what is said of them.
    pub(super) fn of(
        objects: &Arc<Vec<Document>>,
        judged: &CheckReport,
        judge: impl Fn(&Arc<Vec<Document>>) -> CheckReport,
    ) -> (Self, Arc<Vec<Document>>, CheckReport) {
        let mut fixes = Self::default();
        let (mut fixed, mut left) = (Arc::clone(objects), judged.clone());
        for _ in 0..MOST_ROUNDS {
            let mut next = fixed.to_vec();
            if !fixes.take(&mut next, &left) {
                break;
            }
            fixed = Arc::new(next);
            left = judge(&fixed);
        }
        (fixes, fixed, left)
    }

    /// Makes this round's fixes. Answers whether there were any.
    fn take(&mut self, objects: &mut [Document], report: &CheckReport) -> bool {
        let mut round: BTreeMap<&str, Vec<&check::Replacement>> = BTreeMap::new();
        self.refused.clear();
        for finding in &report.findings {
            let Some(fix) = &finding.fix else { continue };
            match &fix.written {
                Err(why) => self.refuse(finding, why),
                Ok(written) => self.take_one(finding, fix, written, &mut round),
            }
        }
        for (name, replacements) in round.iter_mut().filter(|(_, replacements)| !replacements.is_empty()) {
            let Some(first) = objects.iter().find(|object| *object.file == **name) else { continue };
            let file = self.files.entry((*name).to_owned()).or_insert_with(|| Edited::new(first.text().to_owned()));
            // From the end, so that those before stay where they are.
            replacements.sort_by_key(|replacement| std::cmp::Reverse(replacement.span.start));
            for replacement in replacements.iter() {
                file.replace(&Replacement { span: replacement.span.clone(), text: replacement.text.clone() });
            }
            let mut again = first.reread(file.text()).into_iter();
            for object in objects.iter_mut().filter(|object| *object.file == **name) {
                let Some(new) = again.next() else { break };
                *object = new;
            }
        }
        round.values().any(|replacements| !replacements.is_empty())
    }

    /// Writes what has changed; before that nothing is.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        self.files.iter().try_for_each(|(name, edited)| file::write(name, edited.original(), &edited.text()))
    }

    /// What would be written, as a diff.
    pub(super) fn show(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for (name, edited) in &self.files {
            let changes: Vec<(Range<usize>, String)> =
                edited.replacements().into_iter().map(|Replacement { span, text }| (span, text)).collect();
            diff::write(name, edited.original(), &changes, out)?;
        }
        Ok(())
    }

    /// Says on stderr what was done, or would be.
    pub(super) fn conclude(&self, is_written: bool) {
        for refused in &self.refused {
            anstream::eprintln!("{NOTE}note{NOTE:#}: {refused}");
        }
        let (fixed, files) = (counted(self.fixed, "finding"), counted(self.files.len(), "file"));
        match (self.fixed, is_written) {
            (0, _) => anstream::eprintln!("nothing to fix"),
            (_, true) => anstream::eprintln!("fixed {fixed} in {files}"),
            (_, false) => anstream::eprintln!("would fix {fixed} in {files}"),
        }
    }

    fn take_one<'r>(
        &mut self,
        finding: &'r Finding,
        fix: &Fix,
        written: &'r [check::Replacement],
        round: &mut BTreeMap<&'r str, Vec<&'r check::Replacement>>,
    ) {
        let taken = round.entry(&finding.object.file).or_default();
        // Two rules that want the same are both content with it.
        if written.iter().all(|new| taken.contains(&new)) {
            self.fixed += 1;
            return;
        }
        // Left for the next round, if the rule still has something to say then.
        let meets = |one: &check::Replacement, other: &check::Replacement| {
            one.span.start <= other.span.end && other.span.start <= one.span.end
        };
        if written.iter().any(|new| taken.iter().any(|other| meets(new, other))) {
            return;
        }
        let operations = operations(fix);
        let key = |operation: &Operation| (finding.object.index, operation.path().to_owned());
        if operations.iter().any(|operation| self.touched.contains(&key(operation))) {
            return self.refuse(finding, "another rule's fix wrote this field");
        }
        self.touched.extend(operations.iter().map(key));
        taken.extend(written);
        self.fixed += 1;
    }

    fn refuse(&mut self, finding: &Finding, why: &str) {
        let Finding { object, at, rule, .. } = finding;
        self.refused.insert(format!("{}:{}:{}: {rule} is not fixed: {why}", object.file, at.line, at.column));
    }
}

/// Of the patch that a fix is.
fn operations(fix: &Fix) -> Vec<Operation> {
    // It was written from a patch of additions, replacements and removals.
    serde_json::from_str(&fix.patch).unwrap_or_default()
}

fn located(document: &Document, replacement: &Replacement) -> check::Replacement {
    let place = |offset: usize| {
        let position = document.position(offset);
        (position.line, position.column)
    };
    let Replacement { span, text } = replacement;
    check::Replacement { start: place(span.start), end: place(span.end), span: span.clone(), text: text.clone() }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// More than rules need that follow from each other's fixes.
const MOST_ROUNDS: usize = 10;
