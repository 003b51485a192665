//! What a person does from outside: pause, resume, and look. Works with no replica up.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicyBinding, ValidatingWebhookConfiguration,
};
use kube::{Api, Client};

use super::problem::Problem;
use super::record::{Paused, Record, Which};
use super::store::Stored;
use super::{Error, edits};
use crate::names;
use crate::webhooks::Entry;

/// What is registered, for `doctor`.
#[derive(Clone, Debug)]
pub struct State {
    /// As it is stored.
    pub mutating: Option<MutatingWebhookConfiguration>,
    /// As it is stored.
    pub validating: Option<ValidatingWebhookConfiguration>,
    /// That the native guard judges.
    pub guard: Option<ValidatingAdmissionPolicyBinding>,
    /// Why something is not registered.
    pub paused: Option<Paused>,
    /// Entries of which a failed call refuses the request, as registered.
    pub failing: BTreeSet<Entry>,
    /// Whether any replica has ever registered something here.
    pub is_known: bool,
}

/// Takes both configurations and the guard's binding away, `lasting` so long or until [`resume`]. The leader leaves them away, and the next one too.
pub async fn pause(
    client: &Client,
    namespace: &str,
    lasting: Option<Duration>,
    now: Timestamp,
) -> Result<Paused, Error> {
    let paused = match lasting.map(SignedDuration::try_from) {
        None => Paused::UntilResumed,
        Some(lasting) => {
            let until = lasting.ok().and_then(|lasting| now.checked_add(lasting).ok());
            // To the second, as `doctor` and people read it.
            let until = until.and_then(|until| Timestamp::from_second(until.as_second()).ok());
            Paused::Until(until.ok_or(Error::TooLong)?)
        }
    };
    // The record first: a leader that sees one of them gone knows why.
    change(client, namespace, |record| record.pause(paused.clone())).await?;
    take_away(client).await?;
    Ok(paused)
}

/// Deletes all of them, what refuses first, and what stamps when no API server asks that any more: members that nobody stamps would be refused.
pub(super) async fn take_away(client: &Client) -> Result<(), Problem> {
    for which in Which::ALL {
        if which == Which::Mutating {
            tokio::time::sleep(NOTICED).await;
        }
        which.delete(client).await?;
    }
    Ok(())
}

/// Lets the leader put back what is missing, whoever took it away. Answers what ended; with no replica up nothing comes back until one is.
pub async fn resume(client: &Client, namespace: &str) -> Result<Option<Paused>, Error> {
    let stored = Stored::read(client, namespace).await?;
    if stored.is_absent() {
        return Ok(None);
    }
    let ended = stored.record.paused;
    change(client, namespace, Record::resume).await?;
    Ok(ended)
}

/// What there is.
pub async fn state(client: &Client, namespace: &str) -> Result<State, Error> {
    let stored = Stored::read(client, namespace).await?;
    let problem = |which: Which, error| Problem::of("get", which.resource(), &error);
    let mutating = Api::<MutatingWebhookConfiguration>::all(client.clone())
        .get_opt(names::APP)
        .await
        .map_err(|error| problem(Which::Mutating, error))?;
    let validating = Api::<ValidatingWebhookConfiguration>::all(client.clone())
        .get_opt(names::APP)
        .await
        .map_err(|error| problem(Which::Validating, error))?;
    let guard = Api::<ValidatingAdmissionPolicyBinding>::all(client.clone())
        .get_opt(names::APP)
        .await
        .map_err(|error| problem(Which::Guard, error))?;
    let failing = serde_json::to_value(&validating).map(|stored| edits::failing(&stored)).unwrap_or_default();
    Ok(State { mutating, validating, guard, failing, is_known: !stored.is_absent(), paused: stored.record.paused })
}

/// Again where a leader wrote in between.
async fn change(client: &Client, namespace: &str, change: impl Fn(&mut Record)) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        let stored = Stored::read(client, namespace).await?;
        let mut record = stored.record.clone();
        change(&mut record);
        tries += 1;
        match stored.write(client, namespace, &record).await {
            Err(problem) if problem.is_passing() && tries < TRIES => {}
            written => return written.map_err(Error::from),
        }
    }
}

/// API servers use what they read about a second before (measured), and follow the two kinds of configurations apart from each other.
pub(crate) const NOTICED: Duration = Duration::from_secs(1);

/// A leader writes a handful of times in its life.
const TRIES: usize = 10;
