//! Reading and writing of one object by which the API server knows of us, whichever it is.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
};
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
            Self::Guard => get::<ValidatingAdmissionPolicyBinding>(client).await,
        }
        .map_err(|error| self.problem("get", &error))
    }

    pub(super) async fn create(self, client: &Client, wanted: &Value) -> Result<(), Problem> {
        match self {
            Self::Mutating => create::<MutatingWebhookConfiguration>(client, wanted).await,
            Self::Validating => create::<ValidatingWebhookConfiguration>(client, wanted).await,
            Self::Guard => create::<ValidatingAdmissionPolicyBinding>(client, wanted).await,
        }
        .map_err(|error| self.problem("create", &error))
    }

    /// Fails when somebody wrote since it was read: `wanted` carries the version.
    pub(super) async fn replace(self, client: &Client, wanted: &Value) -> Result<(), Problem> {
        match self {
            Self::Mutating => replace::<MutatingWebhookConfiguration>(client, wanted).await,
            Self::Validating => replace::<ValidatingWebhookConfiguration>(client, wanted).await,
            Self::Guard => replace::<ValidatingAdmissionPolicyBinding>(client, wanted).await,
        }
        .map_err(|error| self.problem("update", &error))
    }

    /// Also where there is none.
    pub(super) async fn delete(self, client: &Client) -> Result<(), Problem> {
        match self {
            Self::Mutating => delete::<MutatingWebhookConfiguration>(client).await,
            Self::Validating => delete::<ValidatingWebhookConfiguration>(client).await,
            Self::Guard => delete::<ValidatingAdmissionPolicyBinding>(client).await,
        }
        .map_err(|error| self.problem("delete", &error))
    }

    fn problem(self, verb: &str, error: &kube::Error) -> Problem {
        problem(self.resource(), verb, error)
    }
}

/// Both configurations, as they are compared.
pub(super) fn derived(configurations: &Configurations) -> Result<BTreeMap<Which, Value>, Problem> {
    Ok(BTreeMap::from([
        (Which::Mutating, as_compared(&configurations.mutating)?),
        (Which::Validating, as_compared(&configurations.validating)?),
    ]))
}

/// The guard's policy. It judges nothing without its binding, so that it is no break-glass and stays.
pub(super) async fn get_policy(client: &Client) -> Result<Option<Value>, Problem> {
    get::<ValidatingAdmissionPolicy>(client).await.map_err(|error| problem(POLICIES, "get", &error))
}

/// Makes the guard's policy. Answers `false` where the API server knows none: Kubernetes has them since 1.30.
pub(super) async fn create_policy(client: &Client, wanted: &Value) -> Result<bool, Problem> {
    match create::<ValidatingAdmissionPolicy>(client, wanted).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        other => other.map(|()| true).map_err(|error| problem(POLICIES, "create", &error)),
    }
}

/// As [`Which::replace`].
pub(super) async fn replace_policy(client: &Client, wanted: &Value) -> Result<(), Problem> {
    replace::<ValidatingAdmissionPolicy>(client, wanted).await.map_err(|error| problem(POLICIES, "update", &error))
}

/// As the API server's answers are compared.
pub(super) fn as_compared<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Result<Value, Problem> {
    serde_json::to_value(object)
        .map_err(|error| Problem::from_text(format!("the {} cannot be written: {error}", K::plural(&()))))
}

fn problem(resource: &str, verb: &str, error: &kube::Error) -> Problem {
    Problem::of(verb, &format!("{resource}.admissionregistration.k8s.io `{}`", names::APP), error)
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

const POLICIES: &str = "validatingadmissionpolicies";
