//! Reading and writing of one configuration, whichever of the two it is.

use std::fmt::Debug;

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::serde::Serialize;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client, Resource};
use serde_json::Value;

use super::problem::Problem;
use super::record::Which;
use crate::names;
use crate::webhooks::Configurations;

impl Which {
    pub(super) async fn get(self, client: &Client) -> Result<Option<Value>, Problem> {
        match self {
            Self::Mutating => get::<MutatingWebhookConfiguration>(client).await,
            Self::Validating => get::<ValidatingWebhookConfiguration>(client).await,
        }
        .map_err(|error| self.problem("get", &error))
    }

    pub(super) async fn create(self, client: &Client, wanted: &Value) -> Result<(), Problem> {
        match self {
            Self::Mutating => create::<MutatingWebhookConfiguration>(client, wanted).await,
            Self::Validating => create::<ValidatingWebhookConfiguration>(client, wanted).await,
        }
        .map_err(|error| self.problem("create", &error))
    }

    /// Fails when somebody wrote since it was read: `wanted` carries the version.
    pub(super) async fn replace(self, client: &Client, wanted: &Value) -> Result<(), Problem> {
        match self {
            Self::Mutating => replace::<MutatingWebhookConfiguration>(client, wanted).await,
            Self::Validating => replace::<ValidatingWebhookConfiguration>(client, wanted).await,
        }
        .map_err(|error| self.problem("update", &error))
    }

    /// Also where there is none.
    pub(super) async fn delete(self, client: &Client) -> Result<(), Problem> {
        match self {
            Self::Mutating => delete::<MutatingWebhookConfiguration>(client).await,
            Self::Validating => delete::<ValidatingWebhookConfiguration>(client).await,
        }
        .map_err(|error| self.problem("delete", &error))
    }

    /// This one of both, as it is compared.
    pub(super) fn derived(self, configurations: &Configurations) -> Result<Value, Problem> {
        match self {
            Self::Mutating => serde_json::to_value(&configurations.mutating),
            Self::Validating => serde_json::to_value(&configurations.validating),
        }
        .map_err(|error| Problem::from_text(format!("the {} cannot be written: {error}", self.resource())))
    }

    fn problem(self, verb: &str, error: &kube::Error) -> Problem {
        Problem::of(verb, &format!("{}.admissionregistration.k8s.io `{}`", self.resource(), names::APP), error)
    }
}

trait Stored: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize {}

impl<K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize> Stored for K {}

async fn get<K: Stored>(client: &Client) -> kube::Result<Option<Value>> {
    let found = Api::<K>::all(client.clone()).get_opt(names::APP).await?;
    found.map(|found| serde_json::to_value(found).map_err(kube::Error::SerdeError)).transpose()
}

async fn create<K: Stored>(client: &Client, wanted: &Value) -> kube::Result<()> {
    Api::<K>::all(client.clone()).create(&parameters(), &read(wanted)?).await.map(drop)
}

async fn replace<K: Stored>(client: &Client, wanted: &Value) -> kube::Result<()> {
    Api::<K>::all(client.clone()).replace(names::APP, &parameters(), &read(wanted)?).await.map(drop)
}

async fn delete<K: Stored>(client: &Client) -> kube::Result<()> {
    match Api::<K>::all(client.clone()).delete(names::APP, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}

fn read<K: Stored>(wanted: &Value) -> kube::Result<K> {
    K::deserialize(wanted).map_err(kube::Error::SerdeError)
}

fn parameters() -> PostParams {
    PostParams { dry_run: false, field_manager: Some(names::FIELD_MANAGER.to_owned()) }
}
