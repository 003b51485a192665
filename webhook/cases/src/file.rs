//! Case files.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use stateward_manifests::{Data, DataFiles, InputError, read_data, read_data_text};

use crate::case::{Case, Cover, neighbours_at};
use crate::shape::FileShape;

/// One file of cases.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// Finds places in it.
    pub data: Data,
    /// In the file's order; those that cannot be read are errors.
    pub cases: Vec<Case>,
    /// Why a rule has no case that covers something.
    pub lacks: BTreeMap<String, BTreeMap<Cover, String>>,
    /// Its place among the documents of its file that are for cases, from 0.
    pub document: usize,
}

/// What files and folders hold.
#[derive(Debug, Default)]
pub struct CaseFiles {
    /// In name order.
    pub files: Vec<CaseFile>,
    /// What cannot be read, and cases that mean nothing. All others are there all the same.
    pub errors: Vec<InputError>,
    /// Documents in folders that hold no cases.
    pub skipped: Vec<InputError>,
}

/// Reads case files and folders of them. Objects and policies may be in the same folder.
pub fn read(paths: &[PathBuf]) -> CaseFiles {
    of(read_data(paths))
}

/// Reads one case file that is in memory already.
pub fn read_text(name: &str, text: String) -> CaseFiles {
    of(read_data_text(name, text))
}

fn of(read: DataFiles) -> CaseFiles {
    let mut all = CaseFiles { errors: read.errors, ..CaseFiles::default() };
    let mut last: Option<(Arc<str>, usize)> = None;
    for data in read.documents {
        let fields = data.value();
        let has = |field: &str| fields.get(field).is_some();
        if has("cases") || has("rule") {
            let document = match &last {
                Some((file, document)) if *file == data.file => document + 1,
                _ => 0,
            };
            last = Some((Arc::clone(&data.file), document));
            match file(data, document, &mut all.errors) {
                Ok(file) => all.files.push(file),
                Err(error) => all.errors.push(error),
            }
        } else if data.is_named {
            all.errors.push(data.error("", "no cases").hint("a case file has `rule` and `cases`"));
        } else if !(has("apiVersion") && has("kind")) {
            all.skipped.push(data.error("", "no cases: skipped"));
        }
    }
    all
}

fn file(data: Data, document: usize, errors: &mut Vec<InputError>) -> Result<CaseFile, InputError> {
    let mut fields = data.value();
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|key, _| !key.starts_with(FOR_ANCHORS));
    }
    let mut shape: FileShape = data.decode(&fields)?;
    let lacks = lacks(&data, &shape, errors);
    let before = errors.len();
    errors.extend(neighbours_at("/neighbours", &shape.neighbours).filter_map(|neighbour| neighbour.error(&data)));
    // No case means what it says without them.
    if errors.len() > before {
        shape.cases.clear();
    }
    let mut cases = Vec::new();
    let mut names: HashMap<String, usize> = HashMap::new();
    for (index, case) in std::mem::take(&mut shape.cases).into_iter().enumerate() {
        let Some(case) = Case::read(&data, &shape, index, case, errors) else { continue };
        match names.get(&case.name) {
            Some(line) => {
                let message = format!("a second case `{}`; the first is in line {line}", case.name);
                errors.push(data.error(&format!("{}/name", case.pointer()), message));
            }
            None => {
                names.insert(case.name.clone(), case.position.line);
                cases.push(case);
            }
        }
    }
    Ok(CaseFile { data, cases, lacks, document })
}

/// `lacks: {absent: why}` of the file's rule, or `lacks: {family/name: {absent: why}}`.
fn lacks(data: &Data, shape: &FileShape, errors: &mut Vec<InputError>) -> BTreeMap<String, BTreeMap<Cover, String>> {
    let mut lacks: BTreeMap<String, BTreeMap<Cover, String>> = BTreeMap::new();
    let mut add = |rule: &str, pointer: String, cover: &str, why: &Value| match (
        Cover::parse(cover),
        why.as_str().filter(|why| !why.trim().is_empty()),
    ) {
        (Some(cover), Some(why)) => drop(lacks.entry(rule.to_owned()).or_default().insert(cover, why.to_owned())),
        (None, _) => errors.push(data.field_error(&pointer, "nothing that a case covers")),
        (_, None) => errors.push(data.field_error(&pointer, "says nothing").hint("why there can be no such case")),
    };
    for (key, value) in &shape.lacks {
        let pointer = format!("/lacks/{}", stateward_core::pointer::escape(key));
        match (value, &shape.rule) {
            (Value::Object(of_rule), _) => {
                for (cover, why) in of_rule {
                    add(key, format!("{pointer}/{cover}"), cover, why);
                }
            }
            (why, Some(rule)) => add(rule, pointer, key, why),
            (_, None) => add("", pointer, key, &Value::Null),
        }
    }
    lacks
}

impl CaseFiles {
    /// How many cases there are.
    pub fn cases(&self) -> usize {
        self.files.iter().map(|file| file.cases.len()).sum()
    }
}

/// As in Compose files.
const FOR_ANCHORS: &str = "x-";
