//! One request of an attack, and what is to become of it; each has a name, by which the table in the family's README knows it.

use std::collections::BTreeSet;

use serde_json::Value;
use stateward_cluster_tests::attacks::ledger::{CONTROLLER, MALLORY, OPERATOR};
use stateward_cluster_tests::attacks::{Answer, Attack, Sent, Verb, Wanted, keys};

use crate::{absence, network, pods, rights, sets};

/// A way, as far as one request goes.
pub(crate) struct Attempt {
    pub(crate) name: &'static str,
    pub(crate) sent: Sent,
    pub(crate) outcome: Outcome,
}

/// What is to become of it, however many replicas run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Somebody refuses it.
    Refused,
    /// Whether it is granted or not, what is stored afterwards is as before.
    Harmless,
    /// Nobody refuses it while all replicas run: the table says so. It is only tried.
    Works,
}

/// What the attempts are made of: objects as they are stored.
pub(crate) struct Facts {
    pub(crate) set: Value,
    pub(crate) manager: Value,
    pub(crate) worker: Value,
    pub(crate) revision: Value,
    /// The address of the write Service.
    pub(crate) address: String,
}

impl Facts {
    pub(crate) fn uid(&self) -> &str {
        self.set["metadata"]["uid"].as_str().unwrap_or_default()
    }
}

/// Those of the guard's test that a person can send, and all others.
pub(crate) fn all(facts: &Facts) -> Vec<Attempt> {
    let by_persons = keys::all(facts.uid()).into_iter().filter(|attack| attack.sent.by != CONTROLLER).map(shared);
    let others =
        [pods::made(facts), pods::changed(facts), sets::all(facts), network::all(facts), absence::all(), rights::all()];
    by_persons.chain(others.into_iter().flatten()).collect()
}

/// The names of all.
pub(crate) fn names() -> BTreeSet<&'static str> {
    let nothing = || Value::Null;
    let facts =
        Facts { set: nothing(), manager: nothing(), worker: nothing(), revision: nothing(), address: String::new() };
    let all = all(&facts);
    let names: BTreeSet<_> = all.iter().map(|attempt| attempt.name).collect();
    assert_eq!(names.len(), all.len(), "two attacks share a name");
    names
}

/// By the administrator of the namespace.
pub(crate) fn attempt(
    outcome: Outcome,
    name: &'static str,
    verb: Verb,
    path: impl Into<String>,
    body: Value,
) -> Attempt {
    Attempt { name, sent: Sent { by: MALLORY, groups: &[], verb, path: path.into(), body }, outcome }
}

pub(crate) fn refused(name: &'static str, verb: Verb, path: impl Into<String>, body: Value) -> Attempt {
    attempt(Outcome::Refused, name, verb, path, body)
}

pub(crate) fn harmless(name: &'static str, verb: Verb, path: impl Into<String>, body: Value) -> Attempt {
    attempt(Outcome::Harmless, name, verb, path, body)
}

pub(crate) fn works(name: &'static str, verb: Verb, path: impl Into<String>, body: Value) -> Attempt {
    attempt(Outcome::Works, name, verb, path, body)
}

impl Attempt {
    /// By somebody who holds more rights there than `admin` gives.
    pub(crate) fn by_operator(mut self) -> Self {
        self.sent.by = OPERATOR;
        self
    }

    /// Whether the role `admin` is not enough.
    pub(crate) fn is_operators(&self) -> bool {
        self.sent.by == OPERATOR
    }

    /// Nothing that is only tried is stored. An ephemeral container stays for ever, and a PUT of the pod as it was would be refused for it.
    pub(crate) fn is_dry(&self) -> bool {
        self.outcome == Outcome::Works || self.sent.path.ends_with("/ephemeralcontainers")
    }
}

/// Who refuses: the first words of the message say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuser {
    Guard,
    Webhook,
    ApiServer,
}

impl Refuser {
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        let said = |words| answer.message.contains(words);
        match answer {
            granted if granted.is_granted() => None,
            _ if said("ValidatingAdmissionPolicy 'stateward'") => Some(Self::Guard),
            _ if said("webhook \"") => Some(Self::Webhook),
            _ => Some(Self::ApiServer),
        }
    }
}

/// What the guard is asked about alone is put back by the webhook where that runs.
fn shared(attack: Attack) -> Attempt {
    let Attack { name, sent, wanted } = attack;
    let is_put_back = ["another manager", "no `writes` while it runs", "not governed while it runs"].contains(&name);
    let outcome = match wanted {
        Wanted::Refused(_) if !is_put_back => Outcome::Refused,
        Wanted::Refused(_) | Wanted::Harmless => Outcome::Harmless,
    };
    Attempt { name, sent, outcome }
}
