//! What nobody reads of our answers to Kubernetes' own accounts: warnings, and refusals of a change. A person sees both in the terminal; of a controller's
//! request they have to be said elsewhere, as an Event on the object meant. That a pod or a claim could not be made, controllers say themselves
//! (`FailedCreate`); that one could not be adopted, they do not.

use serde::Deserialize;

use crate::object::Str;
use crate::request::{Operation, Request, User};
use crate::verdict::Verdict;

/// What has to be said elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What it is about.
    pub about: About,
    /// What was asked for.
    pub operation: Operation,
    /// One line each, worst first.
    pub warnings: Vec<String>,
    /// Why it was refused, a line for each reason.
    pub refusals: Vec<String>,
}

/// An object: the StatefulSet that controls the one in the request, or else that one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct About {
    /// `apps/v1`, `v1`, ..
    pub api_version: String,
    /// `StatefulSet`, ..
    pub kind: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// Empty where the object has none yet.
    pub uid: String,
}

/// `None` where there is nothing to say, where a person was told, and of a dry run: it has no side effects.
pub fn of(request: &Request<'_>, verdict: &Verdict) -> Option<Unread> {
    let warnings = &verdict.response.warnings;
    let refused = verdict.response.status.as_ref().filter(|_| request.operation == Operation::Update);
    let is_silent = warnings.is_empty() && refused.is_none();
    if is_silent || request.dry_run || !request.user.as_ref().is_some_and(is_machinery) {
        return None;
    }
    let refusals = refused.map(|status| status.message.lines().map(str::to_owned).collect()).unwrap_or_default();
    Some(Unread { about: about(request)?, operation: request.operation, warnings: warnings.clone(), refusals })
}

/// Whether a part of Kubernetes asks, not a person with a tool: nodes, controllers, the scheduler, the API server. `accounts` of the SDK says the
/// same to rules; a test compares the two.
pub fn is_machinery(user: &User<'_>) -> bool {
    MACHINERY_USERS.contains(&user.username.as_ref())
        || user.groups.iter().any(|group| MACHINERY_GROUPS.contains(&group.as_ref()))
}

fn about(request: &Request<'_>) -> Option<About> {
    let namespace = request.namespace.as_deref().unwrap_or_default().to_owned();
    let head: Head = serde_json::from_str(request.subject()?).ok()?;
    let owner =
        head.metadata.owner_references.iter().flatten().find(|owner| {
            owner.controller && owner.kind.0 == "StatefulSet" && owner.api_version.0.starts_with("apps/")
        });
    if let Some(owner) = owner {
        let text = |text: &Str<'_>| text.0.to_string();
        return Some(About {
            api_version: text(&owner.api_version),
            kind: text(&owner.kind),
            namespace,
            name: text(&owner.name),
            uid: text(&owner.uid),
        });
    }
    let is_scale = request.resource.group == "apps" && request.resource.resource == "statefulsets";
    let kind = &request.kind;
    let api_version = match kind.group.as_ref() {
        _ if is_scale => "apps/v1".to_owned(),
        "" => kind.version.to_string(),
        group => format!("{group}/{}", kind.version),
    };
    let own = |text: Option<Str<'_>>| text.map(|text| text.0.into_owned());
    let name = request.name.as_deref().map(str::to_owned).filter(|name| !name.is_empty());
    Some(About {
        api_version,
        // A Scale has the uid of the set, and no Events of its own.
        kind: if is_scale { "StatefulSet".to_owned() } else { kind.kind.to_string() },
        namespace,
        name: name.or_else(|| own(head.metadata.name))?,
        uid: own(head.metadata.uid).unwrap_or_default(),
    })
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    uid: Option<Str<'a>>,
    #[serde(borrow, default)]
    owner_references: Option<Vec<OwnerReference<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OwnerReference<'a> {
    #[serde(borrow)]
    api_version: Str<'a>,
    #[serde(borrow)]
    kind: Str<'a>,
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    uid: Str<'a>,
    #[serde(default)]
    controller: bool,
}

/// Accounts of control planes that run their controllers under one name each.
const MACHINERY_USERS: [&str; 3] = ["system:kube-scheduler", "system:kube-controller-manager", "system:apiserver"];

/// Kubelets, and the controllers with `--use-service-account-credentials`.
const MACHINERY_GROUPS: [&str; 2] = ["system:nodes", "system:serviceaccounts:kube-system"];

#[cfg(test)]
mod tests {
    use crate::request::{GroupVersionKind, GroupVersionResource};
    use crate::testing;
    use crate::verdict::Status;

    use super::*;

    #[test]
    fn a_members_warning_is_about_its_set() {
        let owner = r#"{"apiVersion":"apps/v1","kind":"StatefulSet","name":"db","uid":"u","controller":true}"#;
        let pod = format!(r#"{{"metadata":{{"name":"db-0","uid":"p","ownerReferences":[{owner}]}}}}"#);
        let request = request("", "Pod", "pods", &pod);
        let set = About {
            api_version: "apps/v1".to_owned(),
            kind: "StatefulSet".to_owned(),
            namespace: "shop".to_owned(),
            name: "db".to_owned(),
            uid: "u".to_owned(),
        };
        let told = of(&request, &warned()).unwrap();
        let warnings = vec!["careful".to_owned()];
        let expected = Unread { about: set, operation: Operation::Update, warnings, refusals: Vec::new() };
        assert_eq!(told, expected);
        // A change that is refused is told as well. The controllers themselves tell what they could not make.
        let told = of(&request, &refused()).unwrap();
        assert_eq!((told.refusals, told.warnings), (vec!["no".to_owned(), "never".to_owned()], Vec::new()));
        assert_eq!(of(&Request { operation: Operation::Create, ..request }, &refused()), None);
    }

    #[test]
    fn a_scale_is_about_its_set_and_other_objects_are_about_themselves() {
        let scale = request("autoscaling", "Scale", "statefulsets", r#"{"metadata":{"name":"db","uid":"u"}}"#);
        let scale = Request {
            resource: GroupVersionResource {
                group: "apps".into(),
                subresource: "scale".into(),
                ..scale.resource.clone()
            },
            ..scale
        };
        let about = of(&scale, &warned()).unwrap().about;
        assert_eq!((&*about.api_version, &*about.kind, &*about.uid), ("apps/v1", "StatefulSet", "u"));
        // Some other project's set of the same kind is not what we judged.
        let owner =
            r#"{"apiVersion":"apps.kruise.io/v1beta1","kind":"StatefulSet","name":"db","uid":"u","controller":true}"#;
        let pod = format!(r#"{{"metadata":{{"name":"db-0","ownerReferences":[{owner}]}}}}"#);
        let about = of(&request("", "Pod", "pods", &pod), &warned()).unwrap().about;
        assert_eq!((&*about.api_version, &*about.kind, &*about.name, &*about.uid), ("v1", "Pod", "db-0", ""));
    }

    #[test]
    fn people_dry_runs_and_silence_need_nothing() {
        let pod = r#"{"metadata":{"name":"db-0"}}"#;
        let alice = User { username: "alice".into(), ..User::default() };
        assert_eq!(of(&Request { user: Some(alice), ..request("", "Pod", "pods", pod) }, &warned()), None);
        assert_eq!(of(&Request { dry_run: true, ..request("", "Pod", "pods", pod) }, &warned()), None);
        assert_eq!(of(&request("", "Pod", "pods", pod), &Verdict::default()), None);
    }

    fn request<'a>(group: &'a str, kind: &'a str, resource: &'a str, object: &'a str) -> Request<'a> {
        Request {
            kind: GroupVersionKind { group: group.into(), version: "v1".into(), kind: kind.into() },
            resource: GroupVersionResource { version: "v1".into(), resource: resource.into(), ..Default::default() },
            name: Some("db-0".into()),
            namespace: Some("shop".into()),
            user: Some(User { groups: vec!["system:serviceaccounts:kube-system".into()], ..User::default() }),
            dry_run: false,
            ..testing::request(Operation::Update, object)
        }
    }

    fn refused() -> Verdict {
        let mut verdict = Verdict::default();
        verdict.response.status = Some(Status { message: "no\nnever".to_owned(), ..Status::default() });
        verdict
    }

    fn warned() -> Verdict {
        let mut verdict = Verdict::default();
        verdict.response.warnings.push("careful".to_owned());
        verdict
    }
}
