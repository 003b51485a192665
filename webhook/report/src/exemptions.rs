//! Exemptions in the open: who exempts what from which rules, why and until when, and whether anything still needs it.
//!
//! Start at [`list`]: the exemptions of a policy set beside what one scan said of the objects that they name. [`text`], [`json`] and [`markdown`] write them.

pub mod json;
pub mod markdown;
pub mod text;
mod usage;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use stateward_core::exemption::{self, Reaches, Tally, WrongExemption};
use stateward_core::pointer::field_path;
use stateward_core::policy::SpecError;
use stateward_core::policy_set::PolicySet;
use stateward_core::resources::{LabelOperator, LabelRequirement, LabelSelector, PolicyExemption};

use crate::check::Object;
pub use usage::Usage;

/// One exemption, in force or not.
#[derive(Clone, Debug)]
pub struct Exemption {
    /// Where it is, and what it exempts.
    pub namespace: String,
    /// Of the exemption.
    pub name: String,
    /// Whether it is in force.
    pub state: State,
    /// Whether anything needs it; only of what is in force.
    pub usage: Option<Usage>,
    /// In the words of who wrote it; empty where it cannot be read.
    pub reason: String,
    /// Ids or `family/*`.
    pub rules: Vec<String>,
    /// Of objects.
    pub names: Vec<String>,
    /// On labels, in Kubernetes' words; `Some` and empty: every object of the namespace.
    pub selector: Option<String>,
    /// From then on it is as if it were not there.
    pub expires: Option<Timestamp>,
    /// With what it was made, where the object says it. Nobody but the API server's audit log knows who it was.
    pub made_by: Option<String>,
    /// What is wrong with it, or leads nowhere.
    pub complaints: Vec<Told>,
    /// What the scan said of all that it names.
    pub tally: Tally,
    /// The objects of which its rules say something, in the report's order.
    pub on: Vec<Covered>,
}

/// Whether an exemption is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Active,
    /// Its time is over.
    Expired,
    /// No policy in force has a rule that it could exempt from: not yet, or not any more.
    Unknown,
    /// It is wrong, and exempts nothing.
    Refused,
}

/// A sentence, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Told {
    /// What is wrong, and in which field.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// An object that an exemption names.
#[derive(Clone, Debug)]
pub struct Covered {
    /// Place of the exemption among those of the policy set.
    pub exemption: usize,
    /// Which; `None` stands for all that only the numbers are known of.
    pub object: Option<Arc<Object>>,
    /// What the exemption's rules said of it.
    pub tally: Tally,
}

/// What a scan knows of exemptions.
#[derive(Clone, Debug, Default)]
pub struct Scan<'a> {
    /// Those that a policy set takes no notice of.
    pub wrong: &'a [WrongExemption],
    /// The objects that they name.
    pub covered: Vec<Covered>,
    /// Why objects or findings may be missing; then nothing is said to be unused.
    pub gap: Option<&'a str>,
    /// Namespaces with objects that could not be judged: the same of theirs.
    pub unjudged: BTreeSet<String>,
    /// Only of this namespace.
    pub namespace: Option<&'a str>,
}

/// How many exemptions are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// In force.
    pub active: usize,
    /// Of those: that match nothing.
    pub unused: usize,
    /// Over.
    pub expired: usize,
    /// For rules that no policy in force has.
    pub unknown: usize,
    /// Wrong.
    pub refused: usize,
}

/// Every exemption, in the order of namespace and name.
pub fn list(set: &PolicySet, now: Timestamp, scan: Scan<'_>) -> Vec<Exemption> {
    let Scan { wrong, covered, gap, unjudged, namespace } = scan;
    let (reaches, complaints) = (Reaches::new(set), set.exemption_complaints(now));
    let mut all: Vec<Exemption> = wrong.iter().map(Exemption::wrong).collect();
    for (at, resource) in set.exemptions().iter().enumerate() {
        let told = complaints.iter().filter(|complaint| complaint.exemption == at);
        let is_refused = told.clone().any(|complaint| complaint.refused);
        let mut exemption = Exemption::of(resource, told.map(|complaint| Told::of(&complaint.error)).collect());
        let rules = reaches.rules(at).cloned().unwrap_or_default();
        exemption.state = match exemption.expires {
            _ if !exemption::check(resource, None).is_empty() || is_refused => State::Refused,
            Some(expires) if expires <= now => State::Expired,
            _ if rules.all.is_empty() => State::Unknown,
            _ => State::Active,
        };
        for covered in covered.iter().filter(|covered| covered.exemption == at) {
            exemption.tally += covered.tally;
            if covered.tally != (Tally { objects: covered.tally.objects, ..Tally::default() }) {
                exemption.on.push(covered.clone());
            }
        }
        exemption.on.sort_by_key(|covered| covered.object.as_ref().map(|object| object.index));
        let gap = gap.or_else(|| unjudged.contains(&exemption.namespace).then_some(UNJUDGED));
        exemption.usage = (exemption.state == State::Active).then(|| Usage::of(&exemption.tally, &rules, gap));
        all.push(exemption);
    }
    all.retain(|exemption| namespace.is_none_or(|namespace| exemption.namespace == namespace));
    all.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    all
}

impl Exemption {
    /// `shop/migration`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// It is in force, and exempts nothing that is there.
    pub fn is_unused(&self) -> bool {
        matches!(self.usage, Some(Usage::NoFinding | Usage::NoObject))
    }

    /// Whom it names, for people: `db, queue, labels app=web`.
    pub fn whom(&self) -> String {
        let labels = self.selector.as_deref().map(|selector| match selector {
            "" => "every object".to_owned(),
            selector => format!("labels {selector}"),
        });
        self.names.iter().cloned().chain(labels).collect::<Vec<_>>().join(", ")
    }

    /// Whether anything needs it, for people; of what is not in force, what is different for that.
    pub fn use_in_words(&self) -> String {
        match &self.usage {
            Some(usage) => usage.in_words(self),
            None if self.state == State::Expired && self.tally.left > 0 => {
                let Tally { left, .. } = self.tally;
                format!(
                    "{left} finding{} of its rules {} not exempt any more",
                    plural(left),
                    if left == 1 { "is" } else { "are" }
                )
            }
            None => "-".to_owned(),
        }
    }

    fn of(resource: &PolicyExemption, complaints: Vec<Told>) -> Self {
        let PolicyExemption { metadata, spec } = resource;
        Self {
            namespace: metadata.namespace.clone().unwrap_or_else(|| "default".to_owned()),
            name: metadata.name.clone(),
            state: State::Refused,
            usage: None,
            reason: spec.reason.clone(),
            rules: spec.rules.clone(),
            names: spec.names.clone(),
            selector: spec.selector.as_ref().map(written),
            expires: exemption::expires(resource),
            made_by: metadata.made_by.clone(),
            complaints,
            tally: Tally::default(),
            on: Vec::new(),
        }
    }

    fn wrong(wrong: &WrongExemption) -> Self {
        let WrongExemption { namespace, name, resource, errors } = wrong;
        let complaints: Vec<Told> = errors.iter().map(Told::of).collect();
        let namespace = namespace.clone().unwrap_or_else(|| "default".to_owned());
        match resource {
            Some(resource) => Self { namespace, ..Self::of(resource, complaints) },
            None => Self {
                namespace,
                name: name.clone(),
                state: State::Refused,
                usage: None,
                reason: String::new(),
                rules: Vec::new(),
                names: Vec::new(),
                selector: None,
                expires: None,
                made_by: None,
                complaints,
                tally: Tally::default(),
                on: Vec::new(),
            },
        }
    }
}

impl State {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}

impl Told {
    fn of(error: &SpecError) -> Self {
        let field = if error.path.is_empty() { String::new() } else { format!("`{}`: ", field_path(&error.path)) };
        Self { message: format!("{field}{}", error.message), hint: error.hint.clone() }
    }
}

impl Counts {
    /// Counts.
    pub fn of(all: &[Exemption]) -> Self {
        let in_state = |state| all.iter().filter(|exemption| exemption.state == state).count();
        Self {
            active: in_state(State::Active),
            unused: all.iter().filter(|exemption| exemption.is_unused()).count(),
            expired: in_state(State::Expired),
            unknown: in_state(State::Unknown),
            refused: in_state(State::Refused),
        }
    }

    /// `4 exemptions: 3 active, of which 1 matches nothing; 1 expired`.
    pub fn in_words(self) -> String {
        let Self { active, unused, expired, unknown, refused } = self;
        let all = active + expired + unknown + refused;
        if all == 0 {
            return "no exemption".to_owned();
        }
        let unused = match unused {
            0 => String::new(),
            1 => ", of which 1 matches nothing".to_owned(),
            more => format!(", of which {more} match nothing"),
        };
        let others = [(expired, "expired"), (unknown, "for rules that no policy in force has"), (refused, "refused")];
        let others = others.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("; {count} {what}"));
        format!("{all} exemption{}: {active} active{unused}{}", plural(all), others.collect::<String>())
    }
}

/// As `kubectl get -l` takes it.
fn written(selector: &LabelSelector) -> String {
    let equal = selector.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
    let expression = |requirement: &LabelRequirement| {
        let LabelRequirement { key, operator, values } = requirement;
        match operator {
            LabelOperator::In => format!("{key} in ({})", values.join(",")),
            LabelOperator::NotIn => format!("{key} notin ({})", values.join(",")),
            LabelOperator::Exists => key.clone(),
            LabelOperator::DoesNotExist => format!("!{key}"),
        }
    };
    equal.chain(selector.match_expressions.iter().map(expression)).collect::<Vec<_>>().join(",")
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

const UNJUDGED: &str = "an object of its namespace could not be judged";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_written_as_kubectl_takes_them() {
        let selector = r#"{"matchLabels":{"app":"db"},"matchExpressions":[{"key":"tier","operator":"In","values":["a","b"]},{"key":"old","operator":"DoesNotExist"}]}"#;
        assert_eq!(written(&serde_json::from_str(selector).unwrap()), "app=db,tier in (a,b),!old");
        assert_eq!(written(&LabelSelector::default()), "");
    }

    #[test]
    fn counts_in_words() {
        let counts = Counts { active: 3, unused: 1, expired: 1, ..Counts::default() };
        assert_eq!(counts.in_words(), "4 exemptions: 3 active, of which 1 matches nothing; 1 expired");
        assert_eq!(Counts::default().in_words(), "no exemption");
        assert_eq!(Counts { refused: 1, ..Counts::default() }.in_words(), "1 exemption: 0 active; 1 refused");
    }
}
