//! Which authorities the API server has been told of: read from both configurations whenever one of them changes.

use futures::StreamExt;
use futures::stream::select;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Duration, sleep};

use super::Registered;
use crate::names;

/// Keeps `registered` current; never ends. Needs get, list and watch on both configurations of our name.
pub async fn follow_registered(client: &Client, registered: &watch::Sender<Registered>) {
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let ours = || watcher::Config::default().fields(&format!("metadata.name={}", names::APP));
    // An error is no change; the watch comes back by itself.
    let changed = async |is_ok: bool| is_ok.then_some(());
    let of_mutating = watcher(mutating.clone(), ours()).default_backoff().filter_map(|event| changed(event.is_ok()));
    let of_validating =
        watcher(validating.clone(), ours()).default_backoff().filter_map(|event| changed(event.is_ok()));
    let mut changes = select(of_mutating.boxed(), of_validating.boxed());
    loop {
        let now = match (mutating.get_opt(names::APP).await, validating.get_opt(names::APP).await) {
            (Ok(mutating), Ok(validating)) => of(mutating, validating),
            // What was read may have changed since.
            _ => Registered::Unknown,
        };
        registered.send_if_modified(|before| {
            let is_new = *before != now;
            *before = now;
            is_new
        });
        tokio::select! {
            Some(()) = changes.next() => {}
            () = sleep(AGAIN) => {}
        }
    }
}

fn of(
    mutating: Option<MutatingWebhookConfiguration>,
    validating: Option<ValidatingWebhookConfiguration>,
) -> Registered {
    let of_mutating =
        mutating.into_iter().flat_map(|of| of.webhooks.unwrap_or_default()).map(|entry| entry.client_config);
    let of_validating =
        validating.into_iter().flat_map(|of| of.webhooks.unwrap_or_default()).map(|entry| entry.client_config);
    let bundle = |config: WebhookClientConfig| config.ca_bundle.map(|bundle| bundle.0).unwrap_or_default();
    let bundles: Vec<Vec<u8>> = of_mutating.chain(of_validating).map(bundle).collect();
    if bundles.is_empty() { Registered::Nowhere } else { Registered::Bundles(bundles) }
}

/// Where a watch is forbidden, or has died without a word.
const AGAIN: Duration = Duration::from_secs(60);
