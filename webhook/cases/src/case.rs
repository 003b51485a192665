//! One case: a request with what is around it, and what one rule must say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};
use stateward_core::manifest::{Action, Profile};
use stateward_core::request::{Operation, Request};
use stateward_manifests::{Data, InputError, Position};

use crate::expected::Expected;
use crate::request::{self, text_of};
use crate::shape::{CaseShape, FileShape};

/// One case: a request with what is around it, and what one rule must say.
#[derive(Clone, Debug)]
pub struct Case {
    /// A sentence; unique in its file.
    pub name: String,
    /// Its place among the file's cases, from 0.
    pub index: usize,
    /// Where it begins.
    pub position: Position,
    /// What it is about: `family/name`.
    pub rule: String,
    /// Which policy is meant where several have the rule.
    pub policy: Option<String>,
    /// What it shows of its rule.
    pub covers: BTreeSet<Cover>,
    /// In which it runs.
    pub profiles: Vec<Profile>,
    /// What must come of it.
    pub expected: Expected,
    /// What is asked.
    pub(crate) request: Request<'static>,
    /// Objects that can be looked up, with their places in the file where they have one.
    pub(crate) neighbours: Vec<Neighbour>,
    /// Kinds that can be looked up, with their places.
    pub(crate) known: Vec<(String, String)>,
    /// Over the policy's own.
    pub(crate) settings: Map<String, Value>,
    /// Over the policy's own.
    pub(crate) actions: BTreeMap<String, Action>,
}

/// An object that can be looked up.
#[derive(Clone, Debug)]
pub(crate) struct Neighbour {
    pub object: Value,
    /// JSON Pointer into the file.
    pub pointer: String,
}

impl Neighbour {
    /// What it lacks to be an object that can be looked up.
    pub(crate) fn error(&self, data: &Data) -> Option<InputError> {
        const HINT: &str = "an object has `apiVersion`, `kind` and `metadata` with a `name`";
        if !self.object.is_object() {
            let message = format!("`{}` is not a Kubernetes object", self.object);
            return Some(data.field_error(&self.pointer, &message).hint(HINT));
        }
        let is_missing = |field: &&str| text_of(&self.object, field).is_none();
        let field = ["/apiVersion", "/kind", "/metadata/name"].into_iter().find(is_missing)?;
        let message = format!("the object has no `{}`", field.trim_start_matches('/').replace('/', "."));
        Some(data.field_error(&self.pointer, &message).hint(HINT))
    }
}

/// What a case shows of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cover {
    /// The rule has nothing to say.
    Accepted,
    /// A validating rule fires.
    Refused,
    /// A mutating rule changes the object.
    Changed,
    /// The last value on one side.
    Boundary,
    /// The field is left out, which means its default.
    Absent,
    /// A look-up is not possible: undecided.
    Unknown,
}

impl Cover {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Accepted, Self::Refused, Self::Changed, Self::Boundary, Self::Absent, Self::Unknown];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Changed => "changed",
            Self::Boundary => "boundary",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cover| cover.name() == name)
    }
}

impl fmt::Display for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Case {
    /// Of the shape at `/cases/{index}`; `None` when `errors` says why not.
    pub(crate) fn read(
        data: &Data,
        file: &FileShape,
        index: usize,
        shape: CaseShape,
        errors: &mut Vec<InputError>,
    ) -> Option<Self> {
        let before = errors.len();
        let pointer = format!("/cases/{index}");
        let name = shape.name.trim().to_owned();
        if name.is_empty() {
            errors.push(data.field_error(&format!("{pointer}/name"), "says nothing").hint("a sentence"));
        }
        let rule = shape.rule.clone().or_else(|| file.rule.clone());
        if rule.is_none() {
            let error = data.error(&pointer, format!("case `{name}` is about no rule"));
            errors.push(error.hint("write `rule: family/name` in it, or once at the top of the file"));
        }
        let profiles = shape.profile.map_or_else(|| vec![Profile::Baseline, Profile::Strict], |profile| vec![profile]);
        let request = request::read(data, &pointer, file, &shape).map_err(|error| errors.push(error)).ok();
        let covers = covers(data, &pointer, shape.covers.as_ref(), errors);
        let mut neighbours = request.as_ref().map(|asked| asked.stored.clone()).unwrap_or_default();
        let own: Vec<Neighbour> = neighbours_at(&format!("{pointer}/neighbours"), &shape.neighbours).collect();
        errors.extend(own.iter().filter_map(|neighbour| neighbour.error(data)));
        neighbours.extend(neighbours_at("/neighbours", &file.neighbours));
        neighbours.extend(own);
        let known =
            known_at("/known", &file.known).chain(known_at(&format!("{pointer}/known"), &shape.known)).collect();
        let policy = shape.policy.clone().or_else(|| file.policy.clone());
        let (settings, actions) = (shape.settings.clone(), shape.actions.clone());
        let expected = Expected::read(data, &pointer, shape, &profiles, errors);
        for cover in &covers {
            errors.extend(contradiction(data, &pointer, *cover, &expected));
        }
        if errors.len() > before {
            return None;
        }
        let position = data.locate(&pointer).position;
        let request = request?.request;
        Some(Self {
            name,
            index,
            position,
            rule: rule?,
            policy,
            covers,
            profiles,
            expected,
            request,
            neighbours,
            known,
            settings,
            actions,
        })
    }

    /// What is asked.
    pub const fn request(&self) -> &Request<'static> {
        &self.request
    }

    /// The new object, or on DELETE the old one, as it is sent.
    pub fn object(&self) -> Option<Value> {
        serde_json::from_str(self.request.subject()?).ok()
    }

    /// What an UPDATE changes.
    pub fn before(&self) -> Option<Value> {
        let old = self.request.old_object.as_deref().filter(|_| self.request.operation == Operation::Update)?;
        serde_json::from_str(old).ok()
    }

    /// Other objects that the rule can look up.
    pub fn beside(&self) -> impl Iterator<Item = &Value> {
        self.neighbours.iter().map(|neighbour| &neighbour.object)
    }

    /// Nothing but its policy's own settings and actions.
    pub fn is_as_shipped(&self) -> bool {
        self.settings.is_empty() && self.actions.is_empty()
    }

    /// What is asked and by whom, where that is more than a CREATE: `UPDATE statefulsets/scale by alice`.
    pub fn asked(&self) -> Option<String> {
        let Request { operation, resource, user, .. } = &self.request;
        let by = user.as_ref().map(|user| format!(" by {}", user.username)).unwrap_or_default();
        if *operation == Operation::Create && resource.subresource.is_empty() && by.is_empty() {
            return None;
        }
        let below = if resource.subresource.is_empty() { String::new() } else { format!("/{}", resource.subresource) };
        Some(format!("{operation} {}{below}{by}", resource.resource))
    }

    /// JSON Pointer to it in its file.
    pub fn pointer(&self) -> String {
        format!("/cases/{}", self.index)
    }
}

pub(crate) fn neighbours_at<'a>(list: &str, objects: &'a [Value]) -> impl Iterator<Item = Neighbour> + use<'a> {
    let list = list.to_owned();
    let neighbour = move |(index, object): (usize, &Value)| Neighbour {
        object: object.clone(),
        pointer: format!("{list}/{index}"),
    };
    objects.iter().enumerate().map(neighbour)
}

fn known_at<'a>(list: &str, kinds: &'a [String]) -> impl Iterator<Item = (String, String)> + use<'a> {
    let list = list.to_owned();
    kinds.iter().enumerate().map(move |(index, kind)| (kind.clone(), format!("{list}/{index}")))
}

fn covers(data: &Data, pointer: &str, value: Option<&Value>, errors: &mut Vec<InputError>) -> BTreeSet<Cover> {
    let words = match value {
        None => Vec::new(),
        Some(Value::Array(words)) => words.iter().collect(),
        Some(word) => vec![word],
    };
    let mut covers = BTreeSet::new();
    for word in words {
        match word.as_str().and_then(Cover::parse) {
            Some(cover) => drop(covers.insert(cover)),
            None => {
                let error =
                    data.field_error(&format!("{pointer}/covers"), &format!("`{word}` is nothing that a case covers"));
                let all: Vec<String> = Cover::ALL.iter().map(|cover| format!("`{cover}`")).collect();
                errors.push(error.hint(format!("one of {}", all.join(", "))));
            }
        }
    }
    covers
}

/// A case must show what it says that it shows: coverage counts on it.
fn contradiction(data: &Data, pointer: &str, cover: Cover, expected: &Expected) -> Option<InputError> {
    let Expected { findings, undecided, changes } = expected;
    let what = match cover {
        Cover::Accepted if !(findings.is_empty() && undecided.is_empty() && changes.is_empty()) => {
            "but expects the rule to say something"
        }
        Cover::Refused if findings.is_empty() => "but expects no finding",
        Cover::Changed if changes.is_empty() => "but expects no change",
        Cover::Unknown if undecided.is_empty() => "but expects nothing `undecided`",
        _ => return None,
    };
    Some(data.error(&format!("{pointer}/covers"), format!("the case covers `{cover}`, {what}")))
}
