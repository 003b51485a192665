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
    reads: &[Read::by_name(
        StatefulSet::KIND,
        &[
            "/spec/replicas",
            WRITES_FIELD,
            "/metadata/annotations/stateward.dev~1sync",
            "/spec/template/spec/containers",
            "/spec/template/spec/initContainers",
        ],
    )],
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
    Unknown,
}

/// Begins the free text of an engine.
pub const ENGINE: &str = "engine:";

/// Takes one of the owner's lists apart. What begins with `free` goes on over commas, up to the next entry with a colon.
pub fn entries<'a>(list: &'a str, free: &'a str) -> impl Iterator<Item = &'a str> {
    let mut is_free = false;
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).filter(move |entry| {
        let goes_on = is_free && !entry.contains(':');
        is_free = goes_on || entry.starts_with(free);
        !goes_on
    })
}

impl<'a> Way<'a> {
    /// Reads an entry.
    pub fn of(entry: &'a str) -> Self {
        match entry.split_once(':') {
            Some(("init", name)) => Self::Init(name.trim()),
            Some(("sidecar", name)) => Self::Sidecar(name.trim()),
            Some(("engine", how)) => Self::Engine(how.trim()),
            _ => Self::Unknown,
        }
    }
}

/// Fires on a governed set of two or more that neither declares how workers synchronise nor has a container that looks like it.
pub fn undeclared_sync(set: &StatefulSet, cx: &Context<Settings>, out: &mut Findings) {
    if set.replicas() < 2 || !is_governed(set) {
        return;
    }
    let is_declared = set.metadata.annotations.get(SYNC).is_some_and(|sync| entries(sync, ENGINE).next().is_some());
    if is_declared || helpers(&set.spec.template.spec).any(|container| cx.settings.is_sync_like(&container.name)) {
        return;
    }
    let key = Key::annotation(SYNC);
    out.finding(key.path("/metadata"), key.place(""), "nothing says how the workers get what the manager writes")
        .hint("write `init:<container>` that clones, `sidecar:<container>` that follows, or `engine:<how>`");
}

/// Init containers, and containers beside the first, which is what is to be synchronised.
fn helpers<'s, 'a>(spec: &'s PodSpec<'a>) -> impl Iterator<Item = &'s Container<'a>> {
    spec.init_containers.iter().chain(spec.containers.iter().skip(1))
}

#[cfg(test)]
mod tests {
    use super::{ENGINE, Way, entries};
    use proptest::prelude::*;

    #[test]
    fn entries_are_read_and_free_text_may_have_commas() {
        let read = |sync| entries(sync, ENGINE).map(Way::of).collect::<Vec<_>>();
        assert_eq!(read(""), []);
        assert_eq!(read(" , "), []);
        assert_eq!(read("init:clone, sidecar: follow"), [Way::Init("clone"), Way::Sidecar("follow")]);
        assert_eq!(read("engine:raft, of three, init:a"), [Way::Engine("raft"), Way::Init("a")]);
        assert_eq!(read("engine:raft,int:a, b"), [Way::Engine("raft"), Way::Unknown, Way::Unknown]);
        assert_eq!(read("rsync"), [Way::Unknown]);
        assert_eq!(read("init"), [Way::Unknown]);
        assert_eq!(read("Init:a,b"), [Way::Unknown, Way::Unknown]);
    }

    proptest! {
        #[test]
        fn containers_are_named_as_they_are_written(names in prop::collection::vec("[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", 0..5)) {
            let text = names.iter().map(|name| format!("init:{name}")).collect::<Vec<_>>().join(",");
            let read: Vec<_> = names.iter().map(|name| Way::Init(name)).collect();
            prop_assert_eq!(entries(&text, ENGINE).map(Way::of).collect::<Vec<_>>(), read);
        }
    }
}
