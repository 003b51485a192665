//! One look: read everything, decide, write what differs. Nothing is carried from one look to the next but what was proved.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use stateward_core::policy_set::PolicySet;

use super::configuration::derived;
use super::guard::{Turn, bind};
use super::owner;
use super::pause::take_away;
use super::problem::Problem;
use super::record::{Paused, Record, Which};
use super::store::Stored;
use super::{Registrar, RegistrationState, edits};
use crate::guard::guard;
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
    /// What was not as derived, and who had written it last.
    pub corrected: Vec<(Which, String)>,
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
    for which in Which::WEBHOOKS {
        present.extend(which.get(client).await?.map(|stored| (which, stored)));
    }
    // The webhooks do without it: a right that only the guard needs keeps them from nothing.
    let bound = Which::Guard.get(client).await;
    let is_guard_seen = looked.attempt_guard(&bound);
    present.extend(bound.ok().flatten().map(|stored| (Which::Guard, stored)));
    if owner::is_ending(client, namespace).await {
        if !present.is_empty() {
            looked.attempt(&take_away(client).await);
        }
        looked
            .state
            .awaiting
            .push("nothing: our namespace is being deleted, so nothing is registered any more".to_owned());
        return Ok(());
    }
    let owned = owner::ours(client, namespace).await;
    owned.problems.iter().for_each(|problem| looked.complain(problem));
    if owned.is_foreign {
        return Ok(());
    }
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
    let mut seen: BTreeSet<Which> = present.keys().copied().collect();
    if !is_guard_seen && record.registered.contains(&Which::Guard) {
        seen.insert(Which::Guard);
    }
    record = record.observe(&seen, &registrar.run, owner.as_deref(), now);
    looked.state.paused = record.paused.clone();
    if let Some(Paused::Until(until)) = record.paused {
        looked.look_again =
            Some(Duration::try_from(until.duration_since(now)).unwrap_or_default().min(super::AT_LEAST));
    }

    let wanted = record.wanted();
    for which in Which::ALL.iter().filter(|which| present.contains_key(which) && !wanted.contains(which)) {
        looked.attempt(&which.delete(client).await);
    }
    let turn = match policies {
        None => {
            looked.state.awaiting.push("policies: none are loaded yet".to_owned());
            Turn::Stays
        }
        Some(_) if ca_bundle.is_none() && !registrar.foreign_ca => {
            looked.state.awaiting.push("the certificate authority: there is none yet".to_owned());
            Turn::Stays
        }
        Some(policies) => {
            let registration = Registration {
                namespace: namespace.clone(),
                reach: registrar.reach.clone(),
                ca_bundle: ca_bundle.filter(|_| !registrar.foreign_ca),
                owner,
                failing: BTreeSet::new(),
            };
            register(registrar, policies, registration, proofs, &present, &mut record, looked).await?
        }
    };
    let has_webhooks = Which::WEBHOOKS.iter().all(|which| wanted.contains(which));
    let bound = present.get(&Which::Guard);
    match turn {
        Turn::On(guard) if wanted.contains(&Which::Guard) && is_guard_seen => {
            let made = bind(client, &guard, bound).await;
            looked.attempt_guard(&made);
            match made {
                Ok(is_known) if is_known => looked.state.guarded = true,
                Ok(_) => looked.state.awaiting.push(NO_POLICIES.to_owned()),
                Err(_) => {}
            }
            if looked.state.guarded {
                record.registered.insert(Which::Guard);
            }
            stored.write(client, namespace, &record).await
        }
        Turn::On(_) => stored.write(client, namespace, &record).await,
        Turn::Stays if has_webhooks => stored.write(client, namespace, &record).await,
        Turn::Off | Turn::Stays => {
            // The record first: what is gone is then not taken for somebody's deletion.
            record.registered.remove(&Which::Guard);
            stored.write(client, namespace, &record).await?;
            if bound.is_some() {
                looked.attempt_guard(&Which::Guard.delete(client).await);
            }
            Ok(())
        }
    }
}

/// Makes what is missing and corrects what differs. Answers what that means for the guard.
async fn register(
    registrar: &Registrar,
    policies: &PolicySet,
    mut registration: Registration,
    proofs: &Proofs,
    present: &BTreeMap<Which, Value>,
    record: &mut Record,
    looked: &mut Looked,
) -> Result<Turn, Problem> {
    let client = &registrar.client;
    let entries = derived(&configurations(policies, &registration))?;
    let entries = entries.get(&Which::Validating).map(edits::entries).unwrap_or_default();
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
    let configurations = derived(&configurations(policies, &registration))?;
    let wanted = record.wanted();
    let mut is_as_derived = true;
    for (which, wanted) in configurations.into_iter().filter(|(which, _)| wanted.contains(which)) {
        let written = match present.get(&which) {
            None => which.create(client, &wanted).await,
            Some(stored) => match edits::corrected(stored, &wanted, registrar.foreign_ca) {
                None => Ok(()),
                Some(corrected) => {
                    looked.corrected.push((which, edits::last_writer(stored)));
                    which.replace(client, &corrected).await
                }
            },
        };
        if looked.attempt(&written) {
            record.registered.insert(which);
        } else {
            is_as_derived = false;
        }
    }
    let has_webhooks = Which::WEBHOOKS.iter().all(|which| wanted.contains(which));
    let state = &mut looked.state;
    state.registered = is_as_derived && has_webhooks;
    let is_validating = is_as_derived && wanted.contains(&Which::Validating);
    if is_validating {
        state.failing.clone_from(&record.failing);
        for entry in entries.difference(&record.failing).filter(|entry| entry.may_fail()) {
            state.awaiting.push(awaited(*entry, &registrar.probe_namespace));
        }
        looked.wants_probe = entries.contains(&Entry::ValidateFail) && !record.failing.contains(&Entry::ValidateFail);
    }
    // Both: what refuses must be there, and what stamps must have been seen to be asked.
    let do_refuse = [Entry::ValidateClosed, Entry::ValidateFail].iter().all(|entry| record.failing.contains(entry));
    let guard = guard(policies, &registration.namespace, registration.owner.as_deref());
    Ok(match guard {
        Some(guard) if has_webhooks && do_refuse && is_as_derived => Turn::On(Box::new(guard)),
        Some(_) if has_webhooks && do_refuse => Turn::Stays,
        Some(_) | None => Turn::Off,
    })
}

impl Looked {
    /// Whether it went well.
    fn attempt(&mut self, result: &Result<(), Problem>) -> bool {
        if let Err(problem) = result {
            self.complain(problem);
        }
        result.is_ok()
    }

    /// The same for the guard, without which the webhooks are still registered.
    fn attempt_guard<T>(&mut self, result: &Result<T, Problem>) -> bool {
        if let Err(problem) = result {
            let is_registered = self.state.registered;
            self.complain(problem);
            self.state.registered = is_registered;
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

const NO_POLICIES: &str =
    "the native guard: this API server knows no ValidatingAdmissionPolicy; Kubernetes has them since 1.30";

/// Somebody wrote at the same time.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A missing right is given by a person, an API server comes back in seconds.
const LATER: Duration = Duration::from_secs(5);
