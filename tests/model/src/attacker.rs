//! What somebody does who may do everything in the namespace, and wants a second manager, or to be it.

use std::sync::Arc;

use crate::model::{Step, Whose};
use crate::objects::{
    Adoption, GOVERNED, MANAGER, MANAGER_HOST, Map, NAMESPACE, ORDINAL, Origin, Owner, Pod, ROLE, SET, SETS, Set,
    WRITE, WRITES,
};
use crate::owner::manifest;
use crate::request::{Binding, Request, Resource, User};
use crate::world::World;

/// Everything that an attacker may try next.
pub fn steps(world: &World, out: &mut Vec<Step>) {
    let mut requests = Vec::new();
    let [victim, other] = SETS;
    pods_by_hand(world, victim, &mut requests);
    for pod in &world.pods {
        roles(pod, victim, &mut requests);
        references(world, pod, victim, &mut requests);
    }
    if let Some(set) = world.set(victim) {
        set_keys(set, &mut requests);
    }
    if world.set(other).is_none() {
        sets_beside(other, victim, &mut requests);
    }
    out.extend(requests.into_iter().map(|request| Step::asks(Whose::Attacker, request)));
}

/// Pods with a member's name and labels, before or beside the set: with a reference or without, with a role or without.
fn pods_by_hand(world: &World, victim: &'static str, out: &mut Vec<Request>) {
    let uid = world.set(victim).map(|set| set.uid);
    let references = uid.into_iter().flat_map(|uid| {
        ["apps/v1", "apps.kruise.io/v1beta1"].map(|api_version| Some(Owner { api_version, name: victim, uid }))
    });
    let references: Vec<_> = std::iter::once(None).chain(references).collect();
    for ordinal in 0..2 {
        let name = format!("{victim}-{ordinal}");
        if world.pod(&name).is_some() {
            continue;
        }
        for owner in &references {
            let app = Map::from([("app".to_owned(), victim.to_owned())]);
            let bare = Pod {
                name: name.clone(),
                labels: app,
                annotations: Map::new(),
                owner: *owner,
                is_terminating: false,
                origin: Origin::Stranger,
                adoption: Adoption::Never,
            };
            out.push(Request::create_pod(User::Admin, as_manager(&bare, victim)));
            out.push(Request::create_pod(User::Admin, bare));
        }
    }
}

/// A role for a pod, or none, by each way to a pod's metadata.
fn roles(pod: &Arc<Pod>, victim: &str, out: &mut Vec<Request>) {
    let manager = as_manager(pod, victim);
    let mut stripped = (**pod).clone();
    stripped.labels.retain(|key, _| key == "app");
    stripped.annotations.clear();
    for to in [Resource::Pods, Resource::PodStatus] {
        for new in [&manager, &stripped] {
            if *new != **pod {
                out.push(Request::update_pod(User::Admin, to, pod, new.clone()));
            }
        }
    }
    for to in [Resource::PodBinding, Resource::Bindings] {
        let Pod { labels, annotations, .. } = manager.clone();
        let binding = Binding { pod: pod.name.clone(), labels, annotations };
        if manager != **pod {
            out.push(Request::bind(to, binding));
        }
    }
}

/// Takes a member out of the controller's sight, or puts a pod into it.
fn references(world: &World, pod: &Arc<Pod>, victim: &'static str, out: &mut Vec<Request>) {
    let mut new = (**pod).clone();
    new.owner = match (pod.owner, world.set(victim)) {
        (None, Some(set)) => Some(Owner { api_version: "apps/v1", name: victim, uid: set.uid }),
        (Some(_), _) => None,
        (None, None) => return,
    };
    out.push(Request::update_pod(User::Admin, Resource::Pods, pod, new.clone()));
    // Without its labels the controller does not take it back.
    new.labels.insert("app".to_owned(), "else".to_owned());
    out.push(Request::update_pod(User::Admin, Resource::Pods, pod, new));
}

/// The contract's keys where the set's owner writes, and through the set's status.
fn set_keys(set: &Arc<Set>, out: &mut Vec<Request>) {
    let mut forged = (**set).clone();
    with_roles(&mut forged, set.name);
    out.push(Request::update_set(Resource::Sets, set, forged));
    for (key, value) in [(WRITES, "any"), (MANAGER, "db-1")] {
        let mut new = (**set).clone();
        new.annotations.insert(key.to_owned(), value.to_owned());
        if new != **set {
            out.push(Request::update_set(Resource::SetStatus, set, new));
        }
    }
}

/// Another set with the victim's labels, whose template says that its pods are the victim's manager.
fn sets_beside(name: &'static str, victim: &str, out: &mut Vec<Request>) {
    for writes in [Some("manager-only"), None] {
        let mut set = manifest(name, writes, 0);
        out.push(Request::create_set(set.clone()));
        with_roles(&mut set, victim);
        out.push(Request::create_set(set));
    }
}

fn with_roles(set: &mut Set, victim: &str) {
    set.template_labels.insert(ROLE.to_owned(), "manager".to_owned());
    set.template_labels.insert(SET.to_owned(), victim.to_owned());
    set.template_annotations.insert(WRITE.to_owned(), "allow".to_owned());
}

/// The keys that the webhook itself would write if this pod were the first one: nothing in them tells them from real ones.
fn as_manager(pod: &Pod, victim: &str) -> Pod {
    let mut new = pod.clone();
    let ordinal = pod.identity().map_or(0, |(_, ordinal)| ordinal);
    let host = format!("{}.{victim}.{NAMESPACE}.svc", pod.name);
    new.labels.extend([(ROLE, "manager"), (SET, victim), (GOVERNED, "true")].map(owned));
    new.annotations.extend([(WRITE, "allow"), (ORDINAL, &ordinal.to_string()), (MANAGER_HOST, &host)].map(owned));
    new
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}
