//! Keeps both webhook configurations as [`webhooks`](crate::webhooks) derives them, and the native guard as [`guard`](crate::guard) does. One task, the
//! leader's; it ends when it is dropped, at any point.
//!
//! - **Edits are restored** at once, and named in the log. Where somebody restores his own as well (another installation, a GitOps tool that has our
//!   configurations in its repository), ours follow twice a minute and no more, and the person is told.
//! - **Deletion is not undone**: a configuration that somebody deleted stays away (the break-glass) until `stateward resume`, or until a
//!   restart. A restart is a new *run*: other names for the same replicas, such as the pod template's hash, which `kubectl rollout restart` and every
//!   upgrade change. A pod that crashes or moves is none, so in an incident nothing comes back by itself. A pause outlives restarts too: it has an
//!   end of its own.
//! - **Nothing refuses before it works.** An entry is registered with `Ignore`. `validate-fail` flips to `Fail` when the probe was refused by us,
//!   `validate-closed` when the StatefulSet controller's CREATE of a member was seen. It stays so for later leaders and runs.
//! - **The guard judges while we stamp**: its binding is there only while both refuse and a policy enforces the contract, and goes when one of the
//!   configurations is deleted or all is paused. Its own deletion is respected like theirs.
//! - All of that is remembered in the ConfigMap `stateward-state`, which a person can read. Without it the stored configurations speak.
//! - **Every kind of uninstall takes them along**: configurations and record belong to our ClusterRole, and that to our namespace. A namespace that is
//!   being deleted may stay for ever, without a server: the leader takes them away before it goes.
//!
//! Deliberately no Events and no metrics: whoever watches [`RegistrationState`] makes those.
//!
//! | Verbs | Resource | Name | Why |
//! |---|---|---|---|
//! | create | mutating-, validatingwebhookconfigurations | (RBAC cannot name what is created) | to register |
//! | get, list, watch, update, delete | mutating-, validatingwebhookconfigurations | `stateward` | to restore edits, to see a deletion, to pause |
//! | create | validatingadmissionpolicies, validatingadmissionpolicybindings | (as above) | the guard |
//! | get, list, watch, update | validatingadmissionpolicies | `stateward` | to restore edits |
//! | get, list, watch, update, delete | validatingadmissionpolicybindings | `stateward` | the same, to see a deletion, to take it away |
//! | get, patch | clusterroles | `stateward` | its uid, for the ownerReferences; to let our namespace own it |
//! | get, list, watch | namespaces | ours | its uid, for the ClusterRole's ownerReference; whether it is being deleted |
//! | create | configmaps in our namespace | | the record |
//! | get, list, watch, update | configmaps in our namespace | `stateward-state` | the record, and to see pause and resume at once |
//! | create | statefulsets in `--probe-namespace` | | the probe, dry-run only |

mod configuration;
mod dispute;
mod edits;
mod guard;
mod look;
mod owner;
mod pause;
mod probe;
mod problem;
mod record;
mod store;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{BoxStream, select_all};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use stateward_core::policy_set::PolicySet;
use tokio::sync::watch;
use tracing::{info, warn};

pub(crate) use pause::NOTICED;
pub use pause::{State, pause, resume, state};
pub use record::{Paused, Which};

use crate::names;
use crate::webhooks::{Entry, Reach};
use dispute::Dispute;
use look::{Looked, Proofs};
use problem::Problem;

/// What does not change while the task runs.
#[derive(Clone)]
pub struct Registrar {
    /// With the rights of the table above.
    pub client: Client,
    /// Ours.
    pub namespace: String,
    /// How the API server gets to us.
    pub reach: Reach,
    /// Where the probe is created, dry-run.
    pub probe_namespace: String,
    /// Names this run of all replicas, the same for each of them: the pod template's hash; outside a cluster the time of start. Another one is a restart.
    pub run: String,
    /// Somebody else writes the CA bundles, or none are needed: those that are there stay.
    pub foreign_ca: bool,
}

/// What the task waits for and follows.
#[derive(Clone)]
pub struct Inputs {
    /// The set in force, once it is loaded.
    pub policies: watch::Receiver<Option<Arc<PolicySet>>>,
    /// PEM, once there is one. Not asked for with [`Registrar::foreign_ca`].
    pub ca_bundle: watch::Receiver<Option<Vec<u8>>>,
    /// Whether a member's Pod CREATE from a controller account was seen.
    pub member_seen: watch::Receiver<bool>,
}

/// How far the registration is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrationState {
    /// Both configurations are there, as derived.
    pub registered: bool,
    /// Entries of which a failed call refuses the request.
    pub failing: BTreeSet<Entry>,
    /// The native guard judges, as derived.
    pub guarded: bool,
    /// What is waited for, in words.
    pub awaiting: Vec<String>,
    /// Why something is not registered.
    pub paused: Option<Paused>,
    /// Who else writes the configurations, again and again.
    pub disputed: Option<String>,
    /// What a person has to put right: missing rights, named. The first line says what failed, a second one `hint: `.
    pub problems: Vec<String>,
}

/// Why a person's command did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused, or was not reached.
    #[error("{0}")]
    Failed(String),
    /// There is no such time.
    #[error("a pause cannot last that long\nhint: leave `--for` out; it then lasts until `stateward resume`")]
    TooLong,
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem.to_string())
    }
}

/// Keeps both configurations until it is dropped. Every change of the inputs, of the configurations and of the record makes it look again.
pub async fn keep(registrar: &Registrar, mut inputs: Inputs, state: &watch::Sender<RegistrationState>) {
    let mut signals = signals(registrar);
    let mut proofs = Proofs::default();
    let mut probe_after = FIRST_PROBE;
    let mut dispute = Dispute::default();
    loop {
        proofs.member_seen |= *inputs.member_seen.borrow_and_update();
        let policies = inputs.policies.borrow_and_update().clone();
        let ca_bundle = inputs.ca_bundle.borrow_and_update().clone();
        let looked = look::look(registrar, policies.as_deref(), ca_bundle, &proofs, Timestamp::now()).await;
        let Looked { state: mut now, look_again, wants_probe, is_new, owner, corrected } = looked;
        for (which, by) in &corrected {
            let configuration = which.resource();
            if by == names::FIELD_MANAGER {
                info!(configuration, "written: what it is derived from has changed");
            } else {
                warn!(configuration, last_written_by = by, "restored: somebody had changed it");
            }
        }
        now.disputed = dispute.see(&corrected, tokio::time::Instant::now());
        now.problems.extend(now.disputed.clone());
        let is_disputed = now.disputed.is_some();
        publish(state, now);
        proofs.owner = owner.or(proofs.owner);
        // What is made anew has to prove itself anew.
        proofs.probed &= !is_new;
        if is_disputed {
            // Whatever is signalled: each of the two would answer the other within milliseconds.
            tokio::time::sleep(dispute::BRAKE).await;
            continue;
        }
        let wait = match look_again {
            Some(soon) => soon,
            None if wants_probe => {
                if probe_once(registrar, &mut proofs, state).await {
                    continue;
                }
                probe_after = (probe_after * 2).min(LAST_PROBE);
                probe_after
            }
            None => {
                probe_after = FIRST_PROBE;
                AT_LEAST
            }
        };
        tokio::select! {
            // A closed channel keeps its last value; its writer's end is the process's.
            Ok(()) = inputs.policies.changed() => {}
            Ok(()) = inputs.ca_bundle.changed() => {}
            Ok(()) = inputs.member_seen.changed() => {}
            Some(()) = signals.next() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Whether it succeeded.
async fn probe_once(registrar: &Registrar, proofs: &mut Proofs, state: &watch::Sender<RegistrationState>) -> bool {
    let namespace = &registrar.probe_namespace;
    match probe::probe(&registrar.client, namespace).await {
        probe::Probed::Refused => {
            info!(namespace, "the API server reaches this webhook");
            proofs.probed = true;
        }
        probe::Probed::Passed => {}
        probe::Probed::Prevented(problem) => {
            let text = format!("the probe of `{}` did not come through: {problem}", Entry::ValidateFail);
            state.send_if_modified(|state| {
                let is_new = !state.problems.contains(&text);
                if is_new {
                    warn!("{text}");
                    state.problems.push(text);
                }
                is_new
            });
        }
    }
    proofs.probed
}

fn publish(state: &watch::Sender<RegistrationState>, now: RegistrationState) {
    state.send_if_modified(|before| {
        if now.problems != before.problems {
            for problem in now.problems.iter().filter(|problem| !before.problems.contains(problem)) {
                warn!("{problem}");
            }
        }
        if now.paused != before.paused {
            match &now.paused {
                Some(paused) => warn!("{paused}"),
                None => info!("registration resumes"),
            }
        }
        if now.guarded != before.guarded {
            info!(guarded = now.guarded, "native guard");
        }
        let is_new = now != *before;
        *before = now;
        is_new
    });
}

/// Something may have changed. What, the next look tells.
fn signals(registrar: &Registrar) -> impl futures::Stream<Item = ()> + Unpin + use<> {
    let named = |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
    let client = || registrar.client.clone();
    let mutating = watcher(Api::<MutatingWebhookConfiguration>::all(client()), named(names::APP));
    let validating = watcher(Api::<ValidatingWebhookConfiguration>::all(client()), named(names::APP));
    let record = watcher(Api::<ConfigMap>::namespaced(client(), &registrar.namespace), named(names::STATE));
    // An error is not a change: the look itself says what is wrong, and the watch comes back by itself.
    let policy = watcher(Api::<ValidatingAdmissionPolicy>::all(client()), named(names::APP));
    let binding = watcher(Api::<ValidatingAdmissionPolicyBinding>::all(client()), named(names::APP));
    let namespace = watcher(Api::<Namespace>::all(client()), named(&registrar.namespace));
    let signals: [BoxStream<'static, ()>; 6] = [
        mutating.default_backoff().filter_map(async |event| event.is_ok().then_some(())).boxed(),
        validating.default_backoff().filter_map(async |event| event.is_ok().then_some(())).boxed(),
        policy.default_backoff().filter_map(async |event| event.is_ok().then_some(())).boxed(),
        binding.default_backoff().filter_map(async |event| event.is_ok().then_some(())).boxed(),
        record.default_backoff().filter_map(async |event| event.is_ok().then_some(())).boxed(),
        namespace.default_backoff().filter_map(async |event| event.is_ok().then_some(())).boxed(),
    ];
    select_all(signals)
}

/// A configuration works for new requests within a second.
const FIRST_PROBE: Duration = Duration::from_millis(250);

/// One dry-run request in so long, while nobody reaches us.
const LAST_PROBE: Duration = Duration::from_secs(30);

/// Where a watch is forbidden, or has died without a word.
const AT_LEAST: Duration = Duration::from_secs(60);
