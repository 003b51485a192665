//! One look: read everything, decide, write what differs. Nothing is carried from one look to the next but what was proved.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use stateward_core::policy_set::PolicySet;

use super::owner;
use super::problem::Problem;
use super::record::{Paused, Record, Which};
use super::store::Stored;
use super::{Registrar, RegistrationState, edits};
use crate::webhooks::{Entry, Registration, configurations};

/// What this leader has seen work.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    /// Our server refused the probe.
    pub probed: bool,
    /// The StatefulSet controller's CREATE of a member came to us.
    pub member_seen: bool,
    /// The uid of our ClusterRole, once it was seen.
    pub owner: Option<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub state: RegistrationState,
    /// At the latest, whatever else happens.
    pub look_again: Option<Duration>,
    /// All is registered, and it is not known whether it works.
    pub wants_probe: bool,
    /// The validating configuration was made, not corrected.
    pub is_new: bool,
    /// Our ClusterRole's uid.
    pub owner: Option<String>,
}

pub(super) async fn look(
    registrar: &Registrar,
    policies: Option<&PolicySet>,
    ca_bundle: Option<Vec<u8>>,
    proofs: &Proofs,
    now: Timestamp,
) -> Looked {
    let mut looked = Looked::default();
    if let Err(problem) = try_look(registrar, policies, ca_bundle, proofs, now, &mut looked).await {
        looked.complain(&problem);
    }
    looked
}

async fn try_look(
    registrar: &Registrar,
    policies: Option<&PolicySet>,
    ca_bundle: Option<Vec<u8>>,
    proofs: &Proofs,
    now: Timestamp,
    looked: &mut Looked,
) -> Result<(), Problem> {
    let Registrar { client, namespace, .. } = registrar;
    let mut present: BTreeMap<Which, Value> = BTreeMap::new();
    for which in Which::ALL {
        present.extend(which.get(client).await?.map(|stored| (which, stored)));
    }
    let owned = owner::ours(client, namespace).await;
    owned.problems.iter().for_each(|problem| looked.complain(problem));
    if owned.is_gone && proofs.owner.is_some() {
        // What belonged to it is being taken away. Whoever made it again would outlive the uninstall.
        looked.state.awaiting.push("our ClusterRole: it was deleted, so nothing is registered any more".to_owned());
        return Ok(());
    }
    let owner = owned.uid;
    looked.owner.clone_from(&owner);
    let stored = Stored::read(client, namespace).await?;
    let mut record = stored.record.clone();
    if stored.is_absent() {
        // Somebody deleted it: the stored configurations remember what was found to work.
        record.failing = present.values().flat_map(edits::failing).collect();
    }
    record = record.observe(&present.keys().copied().collect(), &registrar.run, owner.as_deref(), now);
    looked.state.paused = record.paused.clone();
    if let Some(Paused::Until(until)) = record.paused {
        looked.look_again =
            Some(Duration::try_from(until.duration_since(now)).unwrap_or_default().min(super::AT_LEAST));
    }

    let wanted = record.wanted();
    for (which, _) in present.iter().filter(|(which, _)| !wanted.contains(which)) {
        looked.attempt(&which.delete(client).await);
    }
    match policies {
        None => looked.state.awaiting.push("policies: none are loaded yet".to_owned()),
        Some(_) if ca_bundle.is_none() && !registrar.foreign_ca => {
            looked.state.awaiting.push("the certificate authority: there is none yet".to_owned());
        }
        Some(policies) => {
            let registration = Registration {
                namespace: namespace.clone(),
                reach: registrar.reach.clone(),
                ca_bundle: ca_bundle.filter(|_| !registrar.foreign_ca),
                owner,
                failing: BTreeSet::new(),
            };
            register(registrar, policies, registration, proofs, &present, &mut record, looked).await?;
        }
    }
    stored.write(client, namespace, &record).await
}

/// Makes what is missing and corrects what differs.
async fn register(
    registrar: &Registrar,
    policies: &PolicySet,
    mut registration: Registration,
    proofs: &Proofs,
    present: &BTreeMap<Which, Value>,
    record: &mut Record,
    looked: &mut Looked,
) -> Result<(), Problem> {
    let client = &registrar.client;
    let entries = edits::entries(&Which::Validating.derived(&configurations(policies, &registration))?);
    match present.get(&Which::Validating) {
        // What is made anew has to prove itself anew.
        None => {
            record.failing.clear();
            looked.is_new = true;
        }
        Some(stored) => {
            let proved = [(Entry::ValidateFail, proofs.probed), (Entry::ValidateClosed, proofs.member_seen)];
            let was_there = edits::entries(stored);
            let proved = proved.into_iter().filter(|(entry, proved)| *proved && was_there.contains(entry));
            record.failing.extend(proved.map(|(entry, _)| entry));
            record.failing.retain(|entry| entries.contains(entry));
        }
    }
    registration.failing.clone_from(&record.failing);
    let derived = configurations(policies, &registration);
    let mut is_as_derived = true;
    for which in record.wanted() {
        let wanted = which.derived(&derived)?;
        let written = match present.get(&which) {
            None => which.create(client, &wanted).await,
            Some(stored) => match edits::corrected(stored, &wanted, registrar.foreign_ca) {
                None => Ok(()),
                Some(corrected) => which.replace(client, &corrected).await,
            },
        };
        if looked.attempt(&written) {
            record.registered.insert(which);
        } else {
            is_as_derived = false;
        }
    }
    let state = &mut looked.state;
    state.registered = is_as_derived && record.wanted().len() == Which::ALL.len();
    let is_validating = is_as_derived && record.wanted().contains(&Which::Validating);
    if is_validating {
        state.failing.clone_from(&record.failing);
        for entry in entries.difference(&record.failing).filter(|entry| entry.may_fail()) {
            state.awaiting.push(awaited(*entry, &registrar.probe_namespace));
        }
        looked.wants_probe = entries.contains(&Entry::ValidateFail) && !record.failing.contains(&Entry::ValidateFail);
    }
    Ok(())
}

impl Looked {
    /// Whether it went well.
    fn attempt(&mut self, result: &Result<(), Problem>) -> bool {
        if let Err(problem) = result {
            self.complain(problem);
        }
        result.is_ok()
    }

    fn complain(&mut self, problem: &Problem) {
        let soon = if problem.is_passing() { AT_ONCE } else { LATER };
        self.look_again = Some(self.look_again.map_or(soon, |before| before.min(soon)));
        self.state.registered = false;
        if !problem.is_passing() {
            self.state.problems.push(problem.to_string());
        }
    }
}

fn awaited(entry: Entry, probe_namespace: &str) -> String {
    match entry {
        Entry::ValidateClosed => {
            format!(
                "`{entry}` refuses nothing on failure yet: no Pod of a governed set was created by a controller account"
            )
        }
        Entry::Mutate | Entry::MutateStrict | Entry::ValidateFail | Entry::ValidateIgnore => format!(
            "`{entry}` refuses nothing on failure yet: the API server has not asked this webhook about the probe in namespace `{probe_namespace}`"
        ),
    }
}

/// Somebody wrote at the same time.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A missing right is given by a person, an API server comes back in seconds.
const LATER: Duration = Duration::from_secs(5);
