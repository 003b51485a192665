//! What the leader keeps: certificates and webhook configurations.

use stateward_cluster::certificates::{BundleReceiver, Registered, Terms, follow_registered, given};
use stateward_cluster::events::Announcer;
use stateward_cluster::lease::{Leading, while_leading};
use stateward_cluster::registration::{self, Inputs, Registrar, RegistrationState};
use stateward_cluster::webhooks::Reach;
use stateward_core::inventory::BoxFuture;
use stateward_server::State;
use tokio::sync::watch;

use super::Cluster;

/// Runs as long as it is let; does anything in the cluster only while leading.
pub(super) async fn run(cluster: &Cluster, state: &State, leading: &Leading) {
    let registered = watch::Sender::new(Registered::default());
    let bundle = watch::Sender::new(None);
    let (authorities, kept) = authorities(cluster);
    let registrar = registrar(cluster, authorities.is_none());
    let inputs = Inputs {
        policies: cluster.policies.subscribe(),
        ca_bundle: bundle.subscribe(),
        member_seen: cluster.member_seen.subscribe(),
    };
    tokio::join!(
        kept,
        forward(authorities, &bundle),
        while_leading(leading, || async {
            if cluster.tls_dir.is_none() {
                tokio::join!(
                    cluster.certificates.keep(registered.subscribe()),
                    follow_registered(&cluster.client, &registered),
                );
            }
        }),
        while_leading(leading, || registration::keep(&registrar, inputs.clone(), &cluster.registration)),
        tell(cluster, state, leading),
    );
}

/// What is to be trusted, as it changes: our own authority, or the one beside a given certificate. `None`: an injector writes it, or the API server knows.
fn authorities(cluster: &Cluster) -> (Option<BundleReceiver>, BoxFuture<'static, ()>) {
    let Some(directory) = &cluster.tls_dir else {
        return (Some(cluster.certificates.bundle()), Box::pin(std::future::pending()));
    };
    match given(directory, Terms::default().overlap) {
        Ok((bundle, kept)) => (Some(bundle), Box::pin(kept)),
        Err(error) => {
            tracing::warn!(%error, "`caBundle` is left to others");
            (None, Box::pin(std::future::pending()))
        }
    }
}

fn registrar(cluster: &Cluster, foreign_ca: bool) -> Registrar {
    let args = &cluster.args;
    let reach = match &args.webhook_url {
        Some(url) => Reach::Url(url.trim_end_matches('/').to_owned()),
        None => Reach::Service { name: args.service.clone(), port: args.service_port },
    };
    Registrar {
        client: cluster.client.clone(),
        namespace: args.namespace.clone(),
        reach,
        probe_namespace: args.probe_namespace.clone(),
        run: args.run.clone().unwrap_or_else(|| jiff::Timestamp::now().to_string()),
        foreign_ca,
    }
}

/// The configurations take bytes.
async fn forward(from: Option<BundleReceiver>, to: &watch::Sender<Option<Vec<u8>>>) {
    let Some(mut from) = from else { return };
    loop {
        let bundle = from.borrow_and_update().as_ref().map(|bundle| bundle.pem.clone().into_bytes());
        to.send_if_modified(|before| {
            let is_new = *before != bundle;
            *before = bundle;
            is_new
        });
        if from.changed().await.is_err() {
            return;
        }
    }
}

/// Says what keeps us from being registered where `/policies`, metrics and Events are read.
async fn tell(cluster: &Cluster, state: &State, leading: &Leading) {
    let announcer = Announcer::new(cluster.client.clone(), &cluster.args.namespace, &cluster.replica);
    let (mut registration, mut leads) = (cluster.registration.subscribe(), leading.receiver());
    let mut before = RegistrationState::default();
    loop {
        let now = registration.borrow_and_update().clone();
        let is_leading = *leads.borrow_and_update();
        state.report("registration", now.problems.clone());
        state.metrics().registration(is_leading, is_leading && now.registered);
        if is_leading {
            announcer.announce(&before, &now).await;
        }
        before = now;
        tokio::select! {
            // Both senders live as long as what is beside this.
            _ = registration.changed() => {}
            _ = leads.changed() => {}
        }
    }
}
