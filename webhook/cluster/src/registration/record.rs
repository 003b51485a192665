//! What is remembered of the registration, outside any one replica: a ConfigMap that a person can read, and a leader that follows another believes.
//!
//! Pure; how it is read and written is `store`'s.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::webhooks::Entry;

/// One of the objects by which the API server knows of us, and whose deletion is respected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Which {
    /// MutatingWebhookConfiguration.
    Mutating,
    /// ValidatingWebhookConfiguration.
    Validating,
    /// ValidatingAdmissionPolicyBinding: that the native guard judges.
    Guard,
}

/// Why something is not registered although policies are loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paused {
    /// Somebody ran `stateward pause --for`.
    Until(Timestamp),
    /// Somebody ran `stateward pause`.
    UntilResumed,
    /// Somebody deleted these: the break-glass.
    Deleted {
        /// What is not made again.
        which: BTreeSet<Which>,
        /// When a leader saw it.
        since: Timestamp,
    },
}

/// The registration as it was last left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The run of all replicas that wrote this; another one is a restart.
    pub run: String,
    /// Our ClusterRole's uid at the time; another one is another installation.
    pub owner: Option<String>,
    /// What was made and not taken away by us: missing, it was deleted by somebody.
    pub registered: BTreeSet<Which>,
    /// Entries that were found to work.
    pub failing: BTreeSet<Entry>,
    /// What must not be there.
    pub paused: Option<Paused>,
}

impl Record {
    /// What a leader makes of the record, given what is there now.
    pub(super) fn observe(mut self, present: &BTreeSet<Which>, run: &str, owner: Option<&str>, now: Timestamp) -> Self {
        let is_other_installation = self.owner.is_some() && owner.is_some() && self.owner.as_deref() != owner;
        if is_other_installation {
            self = Self::default();
        }
        let is_restart = self.run != run;
        if is_restart {
            // A restart ends the break-glass, also one that nobody saw; a pause was given its own end.
            self.registered.retain(|which| present.contains(which));
            if matches!(self.paused, Some(Paused::Deleted { .. })) {
                self.paused = None;
            }
        }
        self.run = run.to_owned();
        self.owner = owner.map(str::to_owned).or(self.owner);
        self.paused = match self.paused {
            Some(Paused::Until(until)) if until <= now => None,
            Some(Paused::Deleted { which, since }) => deleted(&which - present, since),
            paused => paused,
        };
        let gone = &self.registered - present;
        match &mut self.paused {
            Some(Paused::Until(_) | Paused::UntilResumed) => {}
            Some(Paused::Deleted { which, .. }) => which.extend(&gone),
            None => self.paused = deleted(gone.clone(), now),
        }
        self.registered = &self.registered - &gone;
        self
    }

    /// What should be there.
    pub(super) fn wanted(&self) -> BTreeSet<Which> {
        match &self.paused {
            None => Which::ALL.into(),
            // The guard goes with what stamps: `look` sees to that.
            Some(Paused::Deleted { which, .. }) => &BTreeSet::from(Which::ALL) - which,
            Some(Paused::Until(_) | Paused::UntilResumed) => BTreeSet::new(),
        }
    }

    /// After `pause`: what is taken away now was not deleted by somebody.
    pub(super) fn pause(&mut self, paused: Paused) {
        self.paused = Some(paused);
        self.registered.clear();
    }

    /// After `resume`: what is missing is made again, and proves itself again.
    pub(super) fn resume(&mut self) {
        self.paused = None;
        self.registered.clear();
    }

    /// As a ConfigMap's `data`. What says nothing is left out.
    pub(super) fn to_data(&self) -> BTreeMap<String, String> {
        let words = |words: Vec<&str>| words.join(" ");
        let paused = match &self.paused {
            None => String::new(),
            Some(Paused::Until(until)) => format!("until={until}"),
            Some(Paused::UntilResumed) => "until=resumed".to_owned(),
            Some(Paused::Deleted { which, since }) => {
                format!(
                    "deleted={} since={since}",
                    which.iter().map(|which| which.word()).collect::<Vec<_>>().join(",")
                )
            }
        };
        [
            (RUN, self.run.clone()),
            (OWNER, self.owner.clone().unwrap_or_default()),
            (REGISTERED, words(self.registered.iter().map(|which| which.word()).collect())),
            (FAILING, words(self.failing.iter().map(|entry| entry.name()).collect())),
            (PAUSED, paused),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }

    /// People edit ConfigMaps: what cannot be read says nothing, but a pause that cannot be read lasts until it is resumed.
    pub(super) fn from_data(data: &BTreeMap<String, String>) -> Self {
        let value = |key: &str| data.get(key).map_or("", String::as_str);
        Self {
            run: value(RUN).to_owned(),
            owner: Some(value(OWNER)).filter(|owner| !owner.is_empty()).map(str::to_owned),
            registered: value(REGISTERED).split_whitespace().filter_map(Which::of).collect(),
            failing: value(FAILING).split_whitespace().filter_map(Entry::named).collect(),
            paused: Some(value(PAUSED)).filter(|paused| !paused.trim().is_empty()).map(read_paused),
        }
    }
}

impl Which {
    /// All, in the order in which they are taken away: with what refuses and without what stamps, no member could start.
    pub const ALL: [Self; 3] = [Self::Guard, Self::Validating, Self::Mutating];

    /// The configurations.
    pub const WEBHOOKS: [Self; 2] = [Self::Mutating, Self::Validating];

    /// The resource, as `kubectl` and RBAC name it.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::Mutating => "mutatingwebhookconfigurations",
            Self::Validating => "validatingwebhookconfigurations",
            Self::Guard => "validatingadmissionpolicybindings",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Mutating => "mutating",
            Self::Validating => "validating",
            Self::Guard => "guard",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|which| which.word() == word)
    }
}

impl Paused {
    /// What that means for requests.
    pub fn consequence(&self) -> &'static str {
        match self {
            Self::Deleted { which, .. } if *which == BTreeSet::from([Which::Guard]) => {
                "the webhooks judge, and while no replica answers members of governed sets are not guarded natively"
            }
            Self::Deleted { .. } | Self::Until(_) | Self::UntilResumed => "nothing is judged",
        }
    }
}

impl std::fmt::Display for Paused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Until(until) => write!(f, "paused until {until}"),
            Self::UntilResumed => f.write_str("paused until it is resumed"),
            Self::Deleted { which, since } => {
                let which: Vec<&str> = which.iter().map(|which| which.resource()).collect();
                write!(f, "{} deleted by somebody, seen {since}: not made again", which.join(" and "))
            }
        }
    }
}

fn deleted(which: BTreeSet<Which>, since: Timestamp) -> Option<Paused> {
    (!which.is_empty()).then_some(Paused::Deleted { which, since })
}

fn read_paused(text: &str) -> Paused {
    let field = |name: &str| text.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let time = |name: &str| field(name)?.parse::<Timestamp>().ok();
    if let Some(which) = field("deleted") {
        let which: BTreeSet<Which> = which.split(',').filter_map(Which::of).collect();
        if !which.is_empty() {
            return Paused::Deleted { which, since: time("since").unwrap_or(Timestamp::UNIX_EPOCH) };
        }
    }
    time("until").map_or(Paused::UntilResumed, Paused::Until)
}

const RUN: &str = "run";
const OWNER: &str = "owner";
const REGISTERED: &str = "registered";
const FAILING: &str = "failing";
const PAUSED: &str = "paused";

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Which; 2] = Which::WEBHOOKS;
    const ALL: [Which; 3] = Which::ALL;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn registered() -> Record {
        Record {
            run: "a".to_owned(),
            owner: Some("uid".to_owned()),
            registered: BOTH.into(),
            failing: [Entry::ValidateFail].into(),
            paused: None,
        }
    }

    fn look(record: Record, present: &[Which], run: &str, seconds: i64) -> Record {
        record.observe(&present.iter().copied().collect(), run, Some("uid"), at(seconds))
    }

    #[test]
    fn a_first_install_wants_both() {
        let record = look(Record::default(), &[], "a", 1);
        assert_eq!((record.wanted(), record.paused), (ALL.into(), None));
    }

    #[test]
    fn what_was_deleted_stays_away_whoever_leads() {
        let seen = look(registered(), &[Which::Mutating], "a", 5);
        assert_eq!(seen.paused, Some(Paused::Deleted { which: [Which::Validating].into(), since: at(5) }));
        assert_eq!(seen.wanted(), [Which::Mutating, Which::Guard].into());
        let by_the_next_leader = look(seen.clone(), &[Which::Mutating], "a", 50);
        assert_eq!(by_the_next_leader, seen);
        let both_gone = look(seen, &[], "a", 60);
        assert_eq!(both_gone.paused, Some(Paused::Deleted { which: BOTH.into(), since: at(5) }));
        assert_eq!(both_gone.wanted(), [Which::Guard].into());
    }

    #[test]
    fn a_restart_a_resume_and_a_new_installation_make_them_again() {
        let deleted = look(registered(), &[], "a", 5);
        assert_eq!(look(deleted.clone(), &[], "b", 6).wanted(), ALL.into());
        assert_eq!(look(registered(), &[], "b", 6).wanted(), ALL.into(), "deleted while nobody was there");
        let mut resumed = deleted.clone();
        resumed.resume();
        assert_eq!(look(resumed, &[], "a", 6).wanted(), ALL.into());
        let elsewhere = deleted.observe(&BTreeSet::new(), "a", Some("other uid"), at(6));
        assert_eq!((elsewhere.wanted(), elsewhere.failing), (ALL.into(), BTreeSet::new()));
    }

    #[test]
    fn what_somebody_put_back_is_ours_again() {
        let deleted = look(registered(), &[], "a", 5);
        let back = look(deleted, &[Which::Validating], "a", 6);
        assert_eq!(back.wanted(), [Which::Validating, Which::Guard].into());
        assert_eq!(look(back, &BOTH, "a", 7).paused, None);
    }

    #[test]
    fn a_pause_ends_when_it_said_and_outlives_restarts() {
        let mut record = registered();
        record.pause(Paused::Until(at(100)));
        let during = look(record.clone(), &BOTH, "b", 99);
        assert!(during.wanted().is_empty(), "also those that are still there");
        assert_eq!(look(during, &[], "b", 100).wanted(), ALL.into(), "and its own deletions are no break-glass");
        record.pause(Paused::UntilResumed);
        assert!(look(record, &[], "c", 1_000_000).wanted().is_empty());
    }

    #[test]
    fn the_guard_is_deleted_like_the_others_and_alone_takes_nothing_along() {
        let mut record = registered();
        record.registered.insert(Which::Guard);
        let guardless = look(record.clone(), &BOTH, "a", 5);
        assert_eq!(guardless.paused, Some(Paused::Deleted { which: [Which::Guard].into(), since: at(5) }));
        assert_eq!(guardless.wanted(), BOTH.into());
        assert_eq!(Record::from_data(&guardless.to_data()), guardless);
        assert_eq!(look(guardless, &BOTH, "b", 6).wanted(), ALL.into());
        // What the leader took away itself was not deleted by somebody.
        record.registered.remove(&Which::Guard);
        assert_eq!(look(record, &BOTH, "a", 5).paused, None);
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let deleted = Paused::Deleted { which: BOTH.into(), since: at(5) };
        for paused in [None, Some(Paused::Until(at(7))), Some(Paused::UntilResumed), Some(deleted)] {
            let record = Record { paused, ..registered() };
            assert_eq!(Record::from_data(&record.to_data()), record);
        }
        assert_eq!(Record::from_data(&Record::default().to_data()), Record::default());
        let edited = [(PAUSED.to_owned(), "please".to_owned())].into();
        assert_eq!(Record::from_data(&edited).paused, Some(Paused::UntilResumed));
    }
}
