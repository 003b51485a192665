//! `stateward serve --cluster`: policies, facts and the certificate from the cluster, and what the leader keeps in order there.

mod args;
mod auditing;
mod drawing;
mod exempting;
mod loading;
mod registering;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use stateward_cluster::audit::{Audited, ScanError, Scanner, Scope, Unread};
use stateward_cluster::certificates::{
    Names, Registered, SelfManaged, ServingCertificate, Terms, follow_registered, host_of,
};
use stateward_cluster::client::{self, Client};
use stateward_cluster::inventory::{ClusterInventory, Inventories};
use stateward_cluster::lease::{self, Leadership, Leading};
use stateward_cluster::status::{ExemptionTeller, StatusWriter};
use stateward_cluster::wanted::Watches;
use stateward_cluster::{names, registration, unread};
use stateward_core::exemption::WrongExemption;
use stateward_core::inventory::Store;
use stateward_core::policy_set::PolicySet;
use stateward_engine::PolicyLoader;
use stateward_server::{PemPair, State, TlsSource, Trust};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::engine;
pub(super) use args::ClusterArgs;
use loading::Loading;

/// Runs beside the server.
pub(super) struct Cluster {
    args: ClusterArgs,
    tls_dir: Option<PathBuf>,
    client: Client,
    replica: String,
    certificates: Arc<SelfManaged>,
    pushed: watch::Sender<Option<Arc<PemPair>>>,
    /// What the API server trusts, for a given certificate: one of our own comes when it is trusted.
    trust: watch::Sender<Trust>,
    policies: watch::Sender<Option<Arc<PolicySet>>>,
    /// What is followed for them, or for those that come next.
    followed: watch::Sender<Option<Arc<ClusterInventory>>>,
    registration: watch::Sender<registration::RegistrationState>,
    /// Whether any replica was asked when a member was made: the leader is one of three.
    member_seen: watch::Sender<bool>,
    /// Exemptions that the policies in force take no notice of.
    wrong_exemptions: watch::Sender<Vec<WrongExemption>>,
    /// The last scan of what is stored, by this leader.
    audited: watch::Sender<Audited>,
}

impl Cluster {
    /// Asks nobody yet.
    ///
    /// `tls_dir` is where a given certificate is; without it the certificate is our own.
    pub(super) async fn connect(args: ClusterArgs, tls_dir: Option<PathBuf>) -> Result<Self> {
        let client = client::connect(args.kubeconfig.as_deref(), None).await?;
        let replica = args.identity.clone().unwrap_or_else(host_name);
        let host = args.webhook_url.as_deref().and_then(host_of);
        let names_of_it = Names::new(&args.service, &args.namespace, host);
        let certificates =
            SelfManaged::new(client.clone(), &args.namespace, names::CERTIFICATES, names_of_it, None, Terms::default());
        Ok(Self {
            args,
            tls_dir,
            client,
            replica,
            certificates: Arc::new(certificates),
            pushed: watch::Sender::default(),
            trust: watch::Sender::new(Trust { bundles: Vec::new(), since: Instant::now() }),
            policies: watch::Sender::default(),
            followed: watch::Sender::default(),
            registration: watch::Sender::default(),
            member_seen: watch::Sender::default(),
            wrong_exemptions: watch::Sender::default(),
            audited: watch::Sender::default(),
        })
    }

    /// What the server is to serve: the given certificate, or what comes from the Secret.
    pub(super) fn tls(&self) -> TlsSource {
        // The API server shows no certificate unless it is told to, and `ca.crt` is what it is to trust.
        let trust = Some(self.trust.subscribe());
        let directory = |path| TlsSource::Directory { path, checks_clients: false, trust };
        self.tls_dir.clone().map_or_else(|| TlsSource::Pushed(self.pushed.subscribe()), directory)
    }

    /// Everything beside the server. After `shutdown` the Lease is given back at once, while requests are still answered; ends only where there is
    /// no engine to load with.
    pub(super) async fn run(&self, state: &State, shutdown: watch::Receiver<bool>) -> Result<()> {
        let identity = lease::identity(&self.replica);
        let (leadership, leading) = Leadership::new(self.client.clone(), &self.args.namespace, names::APP, identity);
        let shutdown = async {
            let mut shutdown = shutdown;
            // Without a sender nobody ever shuts down.
            if shutdown.wait_for(|asked| *asked).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let mut loaded = std::pin::pin!(self.keep_loaded(state, &leading));
        tokio::select! {
            failed = &mut loaded => failed,
            () = async {
                tokio::join!(
                    leadership.run(shutdown),
                    self.certify(),
                    registering::run(self, state, &leading),
                    auditing::run(self, state, &leading),
                    drawing::run(self, state),
                    self.tell_unread(state),
                );
            } => Ok(()),
        }
    }

    /// Follows the Secret; or what is registered, where the certificate is given.
    async fn certify(&self) {
        if self.tls_dir.is_none() {
            tokio::join!(self.certificates.follow(), self.push());
        } else {
            let registered = watch::Sender::default();
            tokio::join!(follow_registered(&self.client, &registered), self.learn_trust(registered.subscribe()));
        }
    }

    async fn learn_trust(&self, mut registered: watch::Receiver<Registered>) {
        while registered.changed().await.is_ok() {
            let bundles = match &*registered.borrow_and_update() {
                // What was known last still holds.
                Registered::Unknown => continue,
                Registered::Nowhere => Vec::new(),
                Registered::Bundles(bundles) => bundles.clone(),
            };
            self.trust.send_if_modified(|trust| {
                let is_new = trust.bundles != bundles;
                if is_new {
                    *trust = Trust { bundles, since: Instant::now() };
                }
                is_new
            });
        }
    }

    /// Everything that requests are sent to us about.
    fn scope(&self) -> Scope {
        Scope { unasked: Some(self.args.namespace.clone()), ..Scope::default() }
    }

    /// What rules look up during a scan: what is followed anyway, and the rest listed.
    async fn others(
        &self,
        scanner: &mut Scanner,
        set: &PolicySet,
    ) -> std::result::Result<(Arc<dyn Store>, Vec<Unread>), ScanError> {
        let followed = self.followed.borrow().clone();
        match followed {
            Some(followed) => scanner.others_beside(&set.reads(), followed).await,
            None => scanner.others(&set.reads()).await,
        }
    }

    /// Every replica tells what its own answers said.
    async fn tell_unread(&self, state: &State) {
        if let Some(unread) = state.unread_warnings() {
            unread::tell(self.client.clone(), &self.replica, unread).await;
        }
    }

    /// Hands the certificate to the server, now and whenever it changes.
    async fn push(&self) {
        let mut serving = self.certificates.serving();
        loop {
            let pair = serving.borrow_and_update().as_deref().map(pair);
            self.pushed.send_if_modified(|pushed| {
                let is_new = pushed.as_deref() != pair.as_ref();
                *pushed = pair.map(Arc::new);
                is_new
            });
            if serving.changed().await.is_err() {
                return;
            }
        }
    }

    /// Loads, then loads again whenever the cluster changes.
    async fn keep_loaded(&self, state: &State, leading: &Leading) -> Result<()> {
        let watches = Watches::start(&self.client);
        let engine = tokio::task::spawn_blocking(|| engine::start(super::sources::log_engine));
        let engine = engine.await.context("could not start the engine")??;
        has_synced(&watches, state).await;
        self.has_certificate(state).await;
        let inventories = Inventories::new(self.client.clone());
        let mut loading = Loading::new(&self.replica, PolicyLoader::new(engine), inventories);
        let mut status = StatusWriter::new(self.client.clone(), &self.args.namespace, &self.replica);
        let mut exemptions = ExemptionTeller::new(self.client.clone(), &self.replica);
        let (mut wanted, mut leads, mut seen) = (watches.wanted(), leading.receiver(), state.member_seen());
        let mut audited = self.audited.subscribe();
        loop {
            let now = wanted.borrow_and_update().clone();
            leads.mark_unchanged();
            self.wrong_exemptions.send_replace(now.wrong_exemptions.clone());
            loading.load(&now, state).await;
            self.followed.send_replace(loading.inventory());
            self.policies.send_if_modified(|policies| {
                let in_force = state.in_force().map(|in_force| Arc::clone(&in_force.policies));
                let is_same = matches!((&*policies, &in_force), (Some(a), Some(b)) if Arc::ptr_eq(a, b));
                *policies = in_force;
                !is_same
            });
            state.report("inventory", loading.unknown());
            state.report("watches", watches.problems());
            let has_seen = *seen.borrow_and_update();
            if has_seen || now.is_member_seen() {
                self.member_seen.send_if_modified(|any| !std::mem::replace(any, true));
            }
            let mut failed = status.tell(&now, &loading.entries(&now, has_seen)).await;
            if leading.now() {
                exemptions.tell(loading.exemption_problems()).await;
                let alive = status.alive().await;
                let audit = audited.borrow_and_update().clone();
                failed.extend(status.sum_up(&now, alive.as_deref(), &audit, jiff::Timestamp::now()).await);
            }
            state.report("status", failed);
            tokio::select! {
                // All senders live as long as what is beside this.
                _ = wanted.changed() => {}
                _ = leads.changed() => {}
                _ = seen.changed() => {}
                _ = audited.changed() => {}
                // Pods that are gone, kinds that became known, and what could not be written.
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Waits until there is one that the API server trusts: a replica without it is not ready.
    async fn has_certificate(&self, state: &State) {
        if self.tls_dir.is_some() {
            return;
        }
        let mut serving = self.certificates.serving();
        if serving.borrow().is_none() {
            state.report(
                "certificate",
                vec![format!("Secret `{}` holds none that is trusted yet", names::CERTIFICATES)],
            );
        }
        // The sender lives as long as this.
        let _ = serving.wait_for(Option::is_some).await;
        state.report("certificate", Vec::new());
    }
}

/// Waits until it is known what to enforce. Says meanwhile what is in the way: `doctor` sends people to `/policies` of a replica that is not ready.
async fn has_synced(watches: &Watches, state: &State) {
    let mut synced = std::pin::pin!(watches.synced());
    loop {
        state.report("watches", watches.problems());
        tokio::select! {
            () = &mut synced => break,
            () = tokio::time::sleep(SOON) => {}
        }
    }
    state.report("watches", watches.problems());
}

fn pair(certificate: &ServingCertificate) -> PemPair {
    PemPair { chain: certificate.chain_pem.clone(), key: certificate.key_pem.as_str().to_owned() }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

const LOOK: Duration = Duration::from_secs(10);
/// A person who asks why a replica is not ready does not wait.
const SOON: Duration = Duration::from_secs(1);
