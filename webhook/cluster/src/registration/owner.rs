//! Who takes the configurations away when we are uninstalled: our ClusterRole, and our namespace through it. The garbage collector does it, with no
//! replica up.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::problem::Problem;
use crate::names;

/// Our ClusterRole.
#[derive(Debug, Default)]
pub(super) struct Owner {
    /// `None` where it is not there, or cannot be read.
    pub uid: Option<String>,
    /// There is none.
    pub is_gone: bool,
    /// It belongs to another namespace: there is another installation.
    pub is_foreign: bool,
    /// What keeps us from knowing it, or it from belonging to our namespace.
    pub problems: Vec<Problem>,
}

/// Finds our ClusterRole, and lets our namespace own it: `kubectl delete namespace` is an uninstall too, and a ClusterRole would outlive it.
pub(super) async fn ours(client: &Client, namespace: &str) -> Owner {
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let role = match roles.get_metadata_opt(names::APP).await {
        Ok(Some(role)) => role,
        Ok(None) => return Owner { is_gone: true, ..Owner::default() },
        Err(error) => return Owner { problems: vec![Problem::of("get", &role_name(), &error)], ..Owner::default() },
    };
    let references = role.metadata.owner_references.unwrap_or_default();
    if let Some(other) = references.iter().find(|owner| owner.kind == "Namespace" && owner.name != namespace) {
        let problem = Problem::from_text(format!(
            "{} belongs to the installation in namespace `{}`, and this one is in `{namespace}`\nhint: there is one set of webhooks in a cluster; uninstall one of the two",
            role_name(),
            other.name
        ));
        return Owner { is_foreign: true, problems: vec![problem], ..Owner::default() };
    }
    let owners = serde_json::to_value(references).unwrap_or_default();
    let problem = belong(client, &roles, namespace, &owners).await.err();
    Owner { uid: role.metadata.uid, problems: problem.into_iter().collect(), ..Owner::default() }
}

/// Whether our namespace is being deleted. What is in it goes at once, and with it every replica; the garbage collector looks after our ClusterRole
/// only when the namespace is gone, and a single finalizer of anybody's keeps it for ever.
pub(super) async fn is_ending(client: &Client, namespace: &str) -> bool {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = namespaces.get_metadata_opt(namespace).await;
    found.ok().flatten().is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_some())
}

async fn belong(client: &Client, roles: &Api<ClusterRole>, namespace: &str, owners: &Value) -> Result<(), Problem> {
    let mut known = owners.as_array().into_iter().flatten();
    if known.any(|owner| owner.get("kind").is_some_and(|kind| kind == "Namespace")) {
        return Ok(());
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = namespaces.get_metadata_opt(namespace).await;
    let found = found.map_err(|error| Problem::of("get", &format!("namespaces `{namespace}`"), &error))?;
    let Some(uid) = found.and_then(|namespace| namespace.metadata.uid) else { return Ok(()) };
    let ours = json!({"apiVersion": "v1", "kind": "Namespace", "name": namespace, "uid": uid});
    let mut all = owners.as_array().cloned().unwrap_or_default();
    all.push(ours);
    let patch = Patch::Merge(json!({"metadata": {"ownerReferences": all}}));
    let patched = roles.patch_metadata(names::APP, &PatchParams::apply(names::FIELD_MANAGER), &patch).await;
    patched.map(drop).map_err(|error| Problem::of("patch", &role_name(), &error))
}

fn role_name() -> String {
    format!("clusterroles.rbac.authorization.k8s.io `{}`", names::APP)
}
