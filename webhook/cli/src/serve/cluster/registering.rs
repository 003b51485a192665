//! What the leader keeps: certificates and webhook configurations.

use std::sync::Arc;

use stateward_cluster::certificates::{CaBundle, Registered, follow_registered};
use stateward_cluster::lease::{Leading, while_leading};
use stateward_cluster::registration::{self, Inputs, Registrar, RegistrationState};
use stateward_cluster::webhooks::Reach;
use stateward_server::State;
use tokio::sync::watch;

use super::Cluster;

/// Runs as long as it is let; does anything in the cluster only while leading.
pub(super) async fn run(cluster: &Cluster, state: &State, leading: &Leading) {
    let registered = watch::Sender::new(Registered::default());
    let bundle = watch::Sender::new(None);
    let registrar = registrar(cluster);
    let inputs = Inputs {
        policies: cluster.policies.subscribe(),
        ca_bundle: bundle.subscribe(),
        member_seen: cluster.member_seen.subscribe(),
    };
    tokio::join!(
        forward(cluster.certificates.bundle(), &bundle),
        while_leading(leading, || async {
            if cluster.tls_dir.is_none() {
                cluster.certificates.keep(registered.subscribe()).await;
            }
        }),
        while_leading(leading, || registration::keep(&registrar, inputs.clone(), &cluster.registration)),
        while_leading(leading, || follow_registered(&cluster.client, &registered)),
        tell(cluster.registration.subscribe(), state),
    );
}

fn registrar(cluster: &Cluster) -> Registrar {
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
        foreign_ca: cluster.tls_dir.is_some(),
    }
}

/// The configurations take bytes.
async fn forward(mut from: watch::Receiver<Option<Arc<CaBundle>>>, to: &watch::Sender<Option<Vec<u8>>>) {
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

/// Says what keeps us from being registered where `/policies` and the log are read.
async fn tell(mut registration: watch::Receiver<RegistrationState>, state: &State) {
    loop {
        let problems = registration.borrow_and_update().problems.clone();
        state.report("registration", problems);
        if registration.changed().await.is_err() {
            return;
        }
    }
}
