//! Look-ups that the API server answers: what a cache must not answer, and what it cannot have yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind as KubeKind;
use kube::{Api, Client, discovery};
use stateward_core::inventory::{Fields, Found, Labels, Query};
use stateward_core::manifest::Read;
use stateward_core::request::GroupVersionKind;

use super::cut;
use super::rights::Rights;
use crate::client::{is_forbidden, is_not_found};
use crate::follow::{Health, said};

pub(super) struct Live {
    client: Client,
    fields: Fields,
    rights: Rights,
    /// What each kind is called in URLs; asked for once.
    resources: Mutex<HashMap<GroupVersionKind<'static>, ApiResource>>,
}

impl Live {
    pub(super) fn new(client: Client, reads: &[Read]) -> Self {
        let rights = Rights::start(&client, reads);
        Self { client, fields: Fields::new(reads), rights, resources: Mutex::new(HashMap::new()) }
    }

    /// Waits until it is known which rights are missing.
    pub(super) async fn settled(&self) {
        self.rights.settled().await;
    }

    /// Kinds that may not be looked up, with the right that is missing.
    pub(super) fn problems(&self) -> Vec<(GroupVersionKind<'static>, Health)> {
        self.rights.missing()
    }

    /// Unknown where the API server does not answer in time or does not let us.
    pub(super) async fn find(&self, query: &Query<'_>) -> Found {
        match tokio::time::timeout(PATIENCE, self.ask(query)).await {
            Ok(Ok(objects)) => Found::Objects(objects),
            Ok(Err(error)) => {
                if is_forbidden(&error) {
                    self.rights.doubt();
                }
                tracing::warn!(kind = %query.kind.kind, error = said(&error), "look-up failed");
                Found::Unknown
            }
            Err(_) => {
                tracing::warn!(kind = %query.kind.kind, "look-up took too long");
                Found::Unknown
            }
        }
    }

    /// `None` where there is no such namespace, or nobody says.
    pub(super) async fn namespace_labels(&self, namespace: &str) -> Option<Arc<Labels>> {
        let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(self.client.clone());
        let found = tokio::time::timeout(PATIENCE, api.get_opt(namespace)).await;
        let labels = found.ok()?.ok()??.metadata.labels.unwrap_or_default();
        Some(Arc::new(labels))
    }

    async fn ask(&self, query: &Query<'_>) -> Result<Vec<Arc<str>>, kube::Error> {
        let resource = self.resource(&query.kind).await?;
        let api: Api<DynamicObject> = match query.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let objects = match query.name {
            Some(name) if !is_name(name) => Vec::new(),
            Some(name) => api.get_opt(name).await?.into_iter().collect(),
            None => {
                let all = ListParams::default();
                let list = api.list(&query.labels.map_or(all.clone(), |labels| all.labels(labels))).await;
                match list {
                    Err(error) if is_not_found(&error) => Vec::new(),
                    list => list?.items,
                }
            }
        };
        let cut = |object| cut(object, &query.kind, &self.fields)?.answer(query);
        Ok(objects.iter().filter_map(cut).collect())
    }

    async fn resource(&self, kind: &GroupVersionKind<'_>) -> Result<ApiResource, kube::Error> {
        let known = || self.resources.lock().unwrap_or_else(PoisonError::into_inner).get(&kind.to_owned()).cloned();
        if let Some(resource) = known() {
            return Ok(resource);
        }
        let of = KubeKind::gvk(&kind.group, &kind.version, &kind.kind);
        let (resource, _) = discovery::pinned_kind(&self.client, &of).await?;
        let mut resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        resources.insert(kind.to_owned(), resource.clone());
        Ok(resource)
    }
}

/// Whether an object can have this name. A rule asks for names that it reads in a request, such as a claim's, of which the API server checks only that it is
/// not empty; a `/` or a `?` in one would make another request of ours.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    name.len() <= LONGEST_NAME && name.bytes().all(is_plain) && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

/// A DNS subdomain's length; there is no longer name.
const LONGEST_NAME: usize = 253;

/// A GET takes 2 ms; the API server waits for us 5 s, and other rules have to be asked.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_cannot_make_another_request() {
        for name in ["ledger-0", "system:node", "a.b", "A_b"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(254);
        for name in ["", ".", "..", "ledger/log-0", "?limit=500&x-0", "a%2fb", "a b", "a#b", "a\n", long.as_str()] {
            assert!(!is_name(name), "{name}");
        }
    }
}
