//! From what is stored to what is told: pure, with every key computed by the rules themselves.

use std::collections::BTreeMap;

use serde::Deserialize;
use stateward_manager_writes::member::MemberKeys;
use stateward_sdk::contract::{ROLE, SET, WRITE, WRITES, is_governed, manager_name};
use stateward_sdk::objects::{Pod, Service, StatefulSet, member_of, parent_of};

use super::gather::Facts;
use super::view::{Difference, Member, PodState, SetView, Stamp};
use super::{problems, services};

/// All sets of the contract in a namespace, by name.
pub fn judge_governed(facts: &Facts) -> Vec<SetView> {
    let stored = Stored::read(facts);
    let mut sets: Vec<SetView> =
        stored.sets.iter().filter(|set| is_governed(set)).map(|set| view(set, &stored)).collect();
    sets.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    sets
}

/// One set, of the contract or not. `None`: it is not there.
pub fn judge(facts: &Facts, name: &str) -> Option<SetView> {
    let stored = Stored::read(facts);
    stored.sets.iter().find(|set| *set.metadata.name == *name).map(|set| view(set, &stored))
}

/// What is stored, as the rules read it.
pub(super) struct Stored<'f> {
    pub(super) facts: &'f Facts,
    pub(super) sets: Vec<StatefulSet<'f>>,
    pub(super) pods: Option<Vec<StoredPod<'f>>>,
    pub(super) services: Option<Vec<Service<'f>>>,
}

pub(super) struct StoredPod<'f> {
    pub(super) pod: Pod<'f>,
    pub(super) state: PodState,
}

/// One set with what is its own.
pub(super) struct Seen<'s, 'f> {
    pub(super) set: &'s StatefulSet<'f>,
    pub(super) stored: &'s Stored<'f>,
    /// Its manager's name.
    pub(super) manager: String,
    /// `None`: pods cannot be read.
    pub(super) members: Option<Vec<Member>>,
    /// Pods that it has not made, and that say that they are its manager, or carry its members' names and roles.
    pub(super) strangers: Vec<&'s StoredPod<'f>>,
}

impl<'f> Stored<'f> {
    fn read(facts: &'f Facts) -> Self {
        let pods = facts.pods.as_ref().map(|pods| pods.iter().filter_map(|pod| StoredPod::read(pod)).collect());
        Self { facts, sets: read(&facts.sets), pods, services: facts.services.as_deref().map(read) }
    }
}

/// What the API server has stored fits the views.
fn read<'f, T: Deserialize<'f>>(objects: &'f [String]) -> Vec<T> {
    objects.iter().filter_map(|object| serde_json::from_str(object).ok()).collect()
}

impl<'f> StoredPod<'f> {
    fn read(json: &'f str) -> Option<Self> {
        let pod: Pod<'f> = serde_json::from_str(json).ok()?;
        let readiness: Readiness<'f> = serde_json::from_str(json).ok()?;
        let is_ready = |condition: &Condition| condition.kind == "Ready" && condition.status == "True";
        let state = if !pod.metadata.deletion_timestamp.is_empty() {
            PodState::Terminating
        } else if readiness.status.conditions.iter().any(is_ready) {
            PodState::Ready
        } else {
            PodState::Unready
        };
        Some(Self { pod, state })
    }

    /// The value of a label.
    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.pod.metadata.labels.get(key)
    }

    /// It says, by a label that Services select or by an annotation that programs read, that it writes for this set.
    pub(super) fn claims_to_write(&self, set: &str) -> bool {
        let is_of_set = self.label(SET) == Some(set) || parent_of(&self.pod.metadata.name) == Some(set);
        is_of_set && (self.label(ROLE) == Some("manager") || self.pod.metadata.annotations.get(WRITE) == Some("allow"))
    }
}

/// What the rules do not read of a pod.
#[derive(Deserialize)]
struct Readiness<'a> {
    #[serde(borrow, default)]
    status: Status<'a>,
}

#[derive(Default, Deserialize)]
struct Status<'a> {
    #[serde(borrow, default)]
    conditions: Vec<Condition<'a>>,
}

#[derive(Deserialize)]
struct Condition<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    status: &'a str,
}

fn view(set: &StatefulSet, stored: &Stored) -> SetView {
    let is_governed = is_governed(set);
    let members = stored.pods.as_deref().map(|pods| members(set, pods, &stored.facts.namespace));
    let is_stranger = |pod: &&StoredPod| {
        let name = &pod.pod.metadata.name;
        let is_named = pod.label(SET) == Some(&set.metadata.name)
            || (parent_of(name) == Some(&set.metadata.name) && pod.label(ROLE).is_some());
        !is_member(set, pod) && (is_named || pod.claims_to_write(&set.metadata.name))
    };
    let strangers = stored.pods.iter().flatten().filter(is_stranger).collect();
    // The API server has stored it, so it has a name.
    let manager = manager_name(set).unwrap_or_default();
    let seen = Seen { set, stored, manager, members, strangers };
    let problems = problems::problems(&seen);
    let write_services = services::write_services(&seen);
    let Seen { manager, members, .. } = seen;
    let count = |of: &dyn Fn(&Member) -> bool| {
        members.as_ref().map(|members| members.iter().filter(|member| of(member)).count())
    };
    SetView {
        namespace: stored.facts.namespace.clone(),
        name: set.metadata.name.to_string(),
        writes: set.metadata.annotations.get(WRITES).map(str::to_owned),
        governed: is_governed,
        replicas: set.replicas(),
        manager: is_governed.then_some(manager),
        ready: count(&|member| member.state == PodState::Ready),
        unstamped: count(&Member::is_unstamped),
        members,
        write_services,
        problems,
    }
}

impl Member {
    /// It has no role, and will not get one but by being made anew.
    pub(super) fn is_unstamped(&self) -> bool {
        self.stamp == Some(Stamp::Missing) && self.state != PodState::Terminating
    }
}

/// The controller looks at the uid alone; a name that no set makes is no member's.
fn is_member(set: &StatefulSet, pod: &StoredPod) -> bool {
    let is_owned = pod.pod.metadata.controlling_set().is_some_and(|owner| owner.uid == set.metadata.uid);
    is_owned && member_of(&pod.pod.metadata.name).is_some_and(|(parent, _)| parent == set.metadata.name.as_str())
}

fn members(set: &StatefulSet, pods: &[StoredPod], namespace: &str) -> Vec<Member> {
    let mut members: BTreeMap<i64, Member> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| is_member(set, pod)) {
        if let Some((_, ordinal)) = member_of(&pod.pod.metadata.name) {
            members.insert(ordinal, member(set, pod, ordinal, namespace));
        }
    }
    let end = set.start().saturating_add(set.replicas());
    let absent: Vec<i64> =
        (set.start()..end).filter(|ordinal| !members.contains_key(ordinal)).take(MOST_ABSENT).collect();
    members.extend(absent.into_iter().map(|ordinal| (ordinal, absent_member(set, ordinal))));
    members.into_values().collect()
}

fn member(set: &StatefulSet, stored: &StoredPod, ordinal: i64, namespace: &str) -> Member {
    let metadata = &stored.pod.metadata;
    let computed = is_governed(set).then(|| MemberKeys::computed(set, &metadata.name, namespace)).flatten();
    let differences = computed.as_ref().map(|keys| keys.differences(metadata)).unwrap_or_default();
    let stamp = computed.as_ref().map(|keys| match metadata.labels.get(ROLE) {
        None => Stamp::Missing,
        Some(_) if differences.is_empty() => Stamp::Right,
        Some(_) if keys.as_worker().are_on(metadata) => Stamp::Adopted,
        Some(_) => Stamp::Wrong,
    });
    let difference = |(key, value): &(stateward_sdk::contract::Key, Option<&str>)| Difference {
        key: key.name,
        found: key.of(metadata).map(str::to_owned),
        computed: value.map(str::to_owned),
    };
    let node = stored.pod.spec.node_name.as_str();
    Member {
        name: metadata.name.to_string(),
        ordinal,
        state: stored.state,
        role: metadata.labels.get(ROLE).map(str::to_owned),
        write: metadata.annotations.get(WRITE).map(str::to_owned),
        stamp,
        differences: differences.iter().map(difference).collect(),
        node: Some(node).filter(|node| !node.is_empty()).map(str::to_owned),
    }
}

fn absent_member(set: &StatefulSet, ordinal: i64) -> Member {
    Member {
        name: format!("{}-{ordinal}", set.metadata.name),
        ordinal,
        state: PodState::Absent,
        role: None,
        write: None,
        stamp: None,
        differences: Vec::new(),
        node: None,
    }
}

/// A set that wants a million members and has none is not told line by line.
const MOST_ABSENT: usize = 20;
