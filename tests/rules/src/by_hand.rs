//! Verdicts of people: `tests/cases/by-hand/<family>.yaml`, written from the lecture's words before the rules were.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use stateward_manifests::{InputError, read_data};

/// What a person said of one real object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// Path below the corpus, with `#Kind/name` where the file holds several objects.
    pub object: String,
    /// Rules of the family that must say something, and why.
    #[serde(default)]
    pub breaks: BTreeMap<String, String>,
    /// Rules that one might think are broken, and are not.
    #[serde(default)]
    pub keeps: BTreeSet<String>,
    /// Rules that lack a fact.
    #[serde(default)]
    pub undecided: BTreeSet<String>,
    /// Rules that say something else than was judged, and why they are right. The judgement stays as it was written.
    #[serde(default)]
    pub reconsidered: BTreeMap<String, String>,
}

impl ByHand {
    /// Where rules of the family said something else, with what.
    pub fn disagreements<'a>(&'a self, said: &'a FamilySaid) -> BTreeMap<&'a str, String> {
        let mut wrong: BTreeMap<&str, String> = BTreeMap::new();
        for (rule, why) in self.breaks.iter().filter(|(rule, _)| !said.broken.contains(*rule)) {
            wrong.insert(rule, format!("says nothing ({why})"));
        }
        for rule in said.broken.iter().filter(|rule| !self.breaks.contains_key(*rule)) {
            wrong.insert(rule, "says something".to_owned());
        }
        for rule in self.undecided.difference(&said.undecided) {
            wrong.entry(rule).or_insert_with(|| "is decided".to_owned());
        }
        for rule in self.keeps.intersection(&said.undecided) {
            wrong.entry(rule).or_insert_with(|| "is undecided".to_owned());
        }
        for rule in self.reconsidered.keys() {
            if wrong.remove(rule.as_str()).is_none() {
                wrong.insert(rule, "agrees, but is reconsidered".to_owned());
            }
        }
        wrong
    }

    /// Every rule that is named.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        let named = self.breaks.keys().chain(&self.keeps).chain(&self.undecided).chain(self.reconsidered.keys());
        named.map(String::as_str)
    }
}

/// What the rules of one family said, without the family's name.
#[derive(Debug, Default)]
pub struct FamilySaid {
    /// Rules with a finding.
    pub broken: BTreeSet<String>,
    /// Rules that could not decide.
    pub undecided: BTreeSet<String>,
}

/// The verdicts on the objects of one family.
pub struct Family {
    /// `ordered-identity`, from the file's name.
    pub name: String,
    /// With the line of each.
    pub verdicts: Vec<(usize, ByHand)>,
}

/// Reads one family's file.
pub fn read(file: &Path) -> Result<Family, InputError> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut read = read_data(&[file.to_path_buf()]);
    if let Some(error) = read.errors.pop() {
        return Err(error);
    }
    let Some(data) = read.documents.pop() else { return Ok(Family { name, verdicts: Vec::new() }) };
    let verdicts: Vec<ByHand> = data.decode(&data.value())?;
    let line = |index: usize| data.locate(&format!("/{index}")).position.line;
    Ok(Family { name, verdicts: verdicts.into_iter().enumerate().map(|(index, one)| (line(index), one)).collect() })
}
