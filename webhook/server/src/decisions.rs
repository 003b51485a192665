//! The last decisions of this replica, for people who ask "who was refused just now, and by what". No bodies, and nothing that outlives the process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stateward_core::verdict::Verdict;

/// One answer. Texts of a client are cut as in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When it was given.
    pub time: Timestamp,
    /// The review's, as in the log and in the API server's audit log.
    pub uid: String,
    /// `mutate`, `closed`, `fail`, `ignore`.
    pub route: String,
    /// `CREATE`, ..
    pub operation: String,
    /// `StatefulSet`.
    pub kind: String,
    /// `None` for cluster-scoped kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `None` for `generateName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Nothing would have been stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The generation of policies that decided, as `/policies` shows it.
    pub policies: u64,
    /// `allowed`, `changed`, `warned`, `denied`, `failed`.
    pub verdict: String,
    /// What each rule said, worst first: `deny family/rule`; also `undecided family/rule`, and `failed POLICY`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// From header to answer.
    pub duration_ms: f64,
}

/// What `/decisions` answers. Fields are added to it, none is changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LastDecisions {
    /// The oldest one first.
    pub decisions: Vec<Decision>,
}

/// The last [`KEPT`] of them.
#[derive(Default)]
pub(crate) struct Decisions {
    kept: Mutex<VecDeque<Arc<Decision>>>,
}

impl Decisions {
    /// Forgets the oldest one where there are too many.
    pub(crate) fn keep(&self, decision: Decision) {
        let decision = Arc::new(decision);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(decision);
    }

    /// All that are kept.
    pub(crate) fn all(&self) -> LastDecisions {
        let kept: Vec<Arc<Decision>> =
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        // The copies are made when no request waits for them.
        LastDecisions { decisions: kept.iter().map(|decision| Decision::clone(decision)).collect() }
    }
}

/// What was said, a rule once for each action.
pub(crate) fn rules(verdict: &Verdict) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut add = |text: String| {
        if !said.contains(&text) {
            said.push(text);
        }
    };
    verdict.rulings.iter().for_each(|ruling| add(format!("{} {}", ruling.action, ruling.rule)));
    verdict.changes.iter().for_each(|change| add(format!("{} {}", change.action, change.rule)));
    verdict.undecided.iter().for_each(|undecided| add(format!("undecided {}", undecided.rule)));
    verdict.failures.iter().for_each(|failure| add(format!("failed {}", failure.policy)));
    said
}

/// About 0.4 MB.
const KEPT: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let decisions = Decisions::default();
        let decision = |number: usize| Decision {
            time: Timestamp::UNIX_EPOCH,
            uid: number.to_string(),
            route: "fail".to_owned(),
            operation: "CREATE".to_owned(),
            kind: "Pod".to_owned(),
            namespace: None,
            name: None,
            user: None,
            dry_run: false,
            policies: 1,
            verdict: "allowed".to_owned(),
            rules: Vec::new(),
            duration_ms: 0.1,
        };
        (0..KEPT + 2).for_each(|number| decisions.keep(decision(number)));
        let all = decisions.all().decisions;
        assert_eq!((all.len(), all[0].uid.as_str(), all[KEPT - 1].uid.as_str()), (KEPT, "2", "1001"));
    }
}
