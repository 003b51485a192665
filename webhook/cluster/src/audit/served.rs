//! What the API server calls its kinds, asked for once for each group and version.

use std::collections::HashMap;

use kube::Client;
use serde::Deserialize;
use stateward_core::request::{GroupVersionKind, GroupVersionResource};

use super::{ScanError, get};
use crate::client::is_not_found;
use crate::follow::said;
use crate::retry::{CALL, timely};

/// One kind that is served and may be listed.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    pub(super) kind: GroupVersionKind<'static>,
    pub(super) resource: GroupVersionResource<'static>,
    pub(super) is_namespaced: bool,
}

/// What is served, as far as somebody has asked.
pub(super) struct Served {
    client: Client,
    /// By group and version.
    known: HashMap<(String, String), Vec<Kind>>,
}

impl Kind {
    /// Of a list.
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        let root = root(&self.resource.group, &self.resource.version);
        let namespace = namespace.filter(|_| self.is_namespaced);
        let namespace = namespace.map(|namespace| format!("/namespaces/{namespace}")).unwrap_or_default();
        format!("{root}{namespace}/{}", self.resource.resource)
    }

    /// Such as `statefulsets.apps`.
    pub(super) fn title(&self) -> String {
        let GroupVersionResource { group, resource, .. } = &self.resource;
        if group.is_empty() { resource.to_string() } else { format!("{resource}.{group}") }
    }
}

impl Served {
    pub(super) fn new(client: Client) -> Self {
        Self { client, known: HashMap::new() }
    }

    /// `None`: nobody serves it.
    pub(super) async fn kind(&mut self, kind: &GroupVersionKind<'_>) -> Result<Option<Kind>, ScanError> {
        let known = self.of(&kind.group, &kind.version).await?;
        Ok(known.iter().find(|served| served.kind.kind == kind.kind).cloned())
    }

    /// `None`: nobody serves it.
    pub(super) async fn resource(&mut self, resource: &GroupVersionResource<'_>) -> Result<Option<Kind>, ScanError> {
        let known = self.of(&resource.group, &resource.version).await?;
        Ok(known.iter().find(|served| served.resource.resource == resource.resource).cloned())
    }

    async fn of(&mut self, group: &str, version: &str) -> Result<&[Kind], ScanError> {
        let key = (group.to_owned(), version.to_owned());
        if !self.known.contains_key(&key) {
            let path = root(group, version);
            let failed = |error: kube::Error| ScanError { resource: path.clone(), reason: said(&error) };
            let served = match timely(CALL, self.client.request::<Resources>(get(&path).map_err(failed)?)).await {
                Ok(served) => served.resources,
                Err(error) if is_not_found(&error) => Vec::new(),
                Err(error) => return Err(failed(error)),
            };
            let kinds = served.into_iter().filter_map(|resource| resource.kind(group, version)).collect();
            self.known.insert(key.clone(), kinds);
        }
        Ok(self.known.get(&key).map(Vec::as_slice).unwrap_or_default())
    }
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    kind: String,
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
}

impl Resource {
    /// Subresources, and what is only made (bindings), cannot be listed.
    fn kind(self, group: &str, version: &str) -> Option<Kind> {
        let Self { name, kind, namespaced, verbs } = self;
        let (group, version) = (group.to_owned(), version.to_owned());
        verbs.iter().any(|verb| verb == "list").then(|| Kind {
            kind: GroupVersionKind { group: group.clone().into(), version: version.clone().into(), kind: kind.into() },
            resource: GroupVersionResource {
                group: group.into(),
                version: version.into(),
                resource: name.into(),
                subresource: "".into(),
            },
            is_namespaced: namespaced,
        })
    }
}
