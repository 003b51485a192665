//! How workers get what the manager writes: what the owner declares, and what looks like it.

use stateward_sdk::contract::{SYNC, WRITES_FIELD};
use stateward_sdk::prelude::*;

use crate::Settings;
use crate::keys::{Key, is_governed};

/// MG-2 of the rule catalogue.
pub const UNDECLARED_SYNC: Rule = Rule {
    id: "manager-writes/undeclared-sync",
    title: "Workers synchronise from the manager",
    description: "A worker begins with an empty volume, and nothing in Kubernetes fills it: an init container clones the data, a sidecar or the program \
                  itself follows. A set that says nothing of either has members that do not know what the manager wrote.",
    category: promise::SYNCHRONISED,
    severity: Severity::Medium,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[Subject::STATEFUL_SETS, Subject::STATEFUL_SETS_SCALE],
    reads: &[Read {
        kind: StatefulSet::KIND,
        fields: &[
            "/spec/replicas",
            WRITES_FIELD,
            "/metadata/annotations/stateward.dev~1sync",
            "/spec/template/spec/containers",
            "/spec/template/spec/initContainers",
        ],
        live: false,
    }],
    ..Rule::VALIDATE
};

/// One entry of the annotation `sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// This init container clones.
    Init(&'a str),
    /// This container follows.
    Sidecar(&'a str),
    /// The program itself does, as the text says.
    Engine(&'a str),
    /// None of these.
    Unknown(&'a str),
}

/// Takes the annotation apart. The text of an `engine:` goes on over commas, up to the next word that begins an entry.
pub fn ways(sync: &str) -> impl Iterator<Item = Way<'_>> {
    let mut was_engine = false;
    sync.split(',').map(str::trim).filter(|entry| !entry.is_empty()).filter_map(move |entry| {
        let way = match entry.split_once(':') {
            Some(("init", name)) => Way::Init(name.trim()),
            Some(("sidecar", name)) => Way::Sidecar(name.trim()),
            Some(("engine", how)) => Way::Engine(how.trim()),
            _ if was_engine => return None,
            _ => Way::Unknown(entry),
        };
        was_engine = matches!(way, Way::Engine(_));
        Some(way)
    })
}

/// Fires on a governed set of two or more that neither declares how workers synchronise nor has a container that looks like it.
pub fn undeclared_sync(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    if set.replicas() < 2 || !is_governed(set) {
        return;
    }
    let is_declared = set.metadata.annotations.get(SYNC).is_some_and(|sync| ways(sync).next().is_some());
    if is_declared || helpers(&set.spec.template.spec).any(|container| cx.settings.is_sync_like(&container.name)) {
        return;
    }
    let key = Key::annotation(SYNC);
    out.finding(
        key.path("/metadata"),
        key.place(""),
        "nothing says how the workers get what the manager writes",
    )
    .hint("write the annotation `stateward.dev/sync`: `init:<container>` that clones, `sidecar:<container>` that follows, or `engine:<how>` where the program replicates by itself");
}

/// Init containers, and containers beside another: a pod's only container is what is to be synchronised.
fn helpers<'s, 'a>(spec: &'s PodSpec<'a>) -> impl Iterator<Item = &'s Container<'a>> {
    let sidecars = if spec.containers.len() > 1 { spec.containers.as_slice() } else { &[] };
    spec.init_containers.iter().chain(sidecars)
}

#[cfg(test)]
mod tests {
    use super::{Way, ways};
    use proptest::prelude::*;

    #[test]
    fn entries_are_read_and_free_text_may_have_commas() {
        let read = |sync| ways(sync).collect::<Vec<_>>();
        assert_eq!(read(""), []);
        assert_eq!(read(" , "), []);
        assert_eq!(read("init:clone, sidecar: follow"), [Way::Init("clone"), Way::Sidecar("follow")]);
        assert_eq!(read("engine:raft, of three, init:a"), [Way::Engine("raft"), Way::Init("a")]);
        assert_eq!(read("rsync"), [Way::Unknown("rsync")]);
        assert_eq!(read("init"), [Way::Unknown("init")]);
        assert_eq!(read("Init:a,b"), [Way::Unknown("Init:a"), Way::Unknown("b")]);
    }

    proptest! {
        #[test]
        fn containers_are_named_as_they_are_written(names in prop::collection::vec("[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", 0..5)) {
            let text = names.iter().map(|name| format!("init:{name}")).collect::<Vec<_>>().join(",");
            let read: Vec<_> = names.iter().map(|name| Way::Init(name)).collect();
            prop_assert_eq!(ways(&text).collect::<Vec<_>>(), read);
        }
    }
}
