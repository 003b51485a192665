//! The record in its ConfigMap. A write fails when somebody else wrote since the read: a pause is never overwritten by a leader that had not seen it.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::PostParams;
use kube::{Api, Client};

use super::problem::Problem;
use super::record::Record;
use crate::names;

/// The record as it was read, with what a write must fit.
pub(super) struct Stored {
    /// The record; empty where there is none.
    pub record: Record,
    found: Option<ConfigMap>,
}

impl Stored {
    pub(super) async fn read(client: &Client, namespace: &str) -> Result<Self, Problem> {
        let found = api(client, namespace)
            .get_opt(names::STATE)
            .await
            .map_err(|error| Problem::of("get", &what(namespace), &error))?;
        let data = found.as_ref().and_then(|map| map.data.clone()).unwrap_or_default();
        Ok(Self { record: Record::from_data(&data), found })
    }

    /// Nobody has written one, or somebody has deleted it.
    pub(super) const fn is_absent(&self) -> bool {
        self.found.is_none()
    }

    /// Writes it where it differs.
    pub(super) async fn write(self, client: &Client, namespace: &str, record: &Record) -> Result<(), Problem> {
        let parameters = PostParams { dry_run: false, field_manager: Some(names::FIELD_MANAGER.to_owned()) };
        let data = record.to_data();
        match self.found {
            Some(found) if found.data.clone().unwrap_or_default() == data => Ok(()),
            Some(mut found) => {
                found.data = Some(data);
                own(&mut found.metadata, record);
                let replaced = api(client, namespace).replace(names::STATE, &parameters, &found).await;
                replaced.map(drop).map_err(|error| Problem::of("update", &what(namespace), &error))
            }
            None => {
                let mut map = ConfigMap {
                    metadata: ObjectMeta {
                        name: Some(names::STATE.to_owned()),
                        labels: Some([("app.kubernetes.io/name".to_owned(), names::APP.to_owned())].into()),
                        ..ObjectMeta::default()
                    },
                    data: Some(data),
                    ..ConfigMap::default()
                };
                own(&mut map.metadata, record);
                let created = api(client, namespace).create(&parameters, &map).await;
                created.map(drop).map_err(|error| Problem::of("create", &what(namespace), &error))
            }
        }
    }
}

/// It goes with our ClusterRole, as the configurations do: else the next installation would take their absence for a deletion.
fn own(metadata: &mut ObjectMeta, record: &Record) {
    metadata.owner_references = record.owner.as_ref().map(|uid| {
        vec![OwnerReference {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "ClusterRole".to_owned(),
            name: names::APP.to_owned(),
            uid: uid.clone(),
            ..OwnerReference::default()
        }]
    });
}

fn api(client: &Client, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), namespace)
}

fn what(namespace: &str) -> String {
    format!("configmaps `{}` in namespace `{namespace}`", names::STATE)
}
