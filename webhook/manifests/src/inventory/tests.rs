//! Who is the nearest, what is known, what is ambiguous.

use super::*;
use crate::read::read_text;

const SERVICE: GroupVersionKind<'static> = GroupVersionKind {
    group: std::borrow::Cow::Borrowed(""),
    version: std::borrow::Cow::Borrowed("v1"),
    kind: std::borrow::Cow::Borrowed("Service"),
};

fn service(name: &str, marker: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  labels: {{app: {name}}}\nspec: {{marker: \"{marker}\"}}\n"
    )
}

const SET: &str = "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\n";

/// Files are `name: text`. The first object of the first file asks.
struct World {
    neighbours: Neighbours,
}

impl World {
    fn new(files: &[(&str, String)], more: &[String]) -> Self {
        let objects = |name: &str, text: &str| {
            let documents = read_text(name, text.to_owned());
            assert_eq!(documents.errors, []);
            documents.objects
        };
        let input = Arc::new(files.iter().flat_map(|(name, text)| objects(name, text)).collect());
        let more: Vec<Document> = more.iter().flat_map(|text| objects("more.yaml", text)).collect();
        let reads = [Read { kind: SERVICE, fields: vec!["/spec".to_owned()], by_name: false, live: false }];
        let (inventory, errors) = FileInventory::new(&input, &more, &reads, "default");
        assert_eq!(errors, []);
        Self { neighbours: inventory.neighbours(&input[0]) }
    }

    /// The marker of each answer; `None` for unknown.
    fn ask(&self, name: Option<&str>, labels: Option<&str>) -> Option<Vec<String>> {
        match self.neighbours.look_up(&Query { kind: SERVICE, namespace: Some("default"), name, labels, live: false }) {
            Found::Unknown => None,
            Found::Objects(objects) => {
                let marker = |json: &Arc<str>| {
                    serde_json::from_str::<serde_json::Value>(json).unwrap()["spec"]["marker"].to_string()
                };
                Some(objects.iter().map(marker).collect())
            }
        }
    }
}

fn found(markers: &[&str]) -> Option<Vec<String>> {
    Some(markers.iter().map(|marker| format!("{marker:?}")).collect())
}

#[test]
fn the_nearest_of_a_name_wins() {
    let all = [
        ("a/set.yaml", SET.to_owned() + &service("db", "file")),
        ("a/other.yaml", service("db", "folder")),
        ("b/other.yaml", service("db", "input")),
    ];
    let more = [service("db", "cluster")];
    assert_eq!(World::new(&all, &more).ask(Some("db"), None), found(&["file"]));
    let without_file = [("a/set.yaml", SET.to_owned()), all[1].clone(), all[2].clone()];
    assert_eq!(World::new(&without_file, &more).ask(Some("db"), None), found(&["folder"]));
    let without_folder = [("a/set.yaml", SET.to_owned()), all[2].clone()];
    assert_eq!(World::new(&without_folder, &more).ask(Some("db"), None), found(&["input"]));
    assert_eq!(World::new(&without_folder[..1], &more).ask(Some("db"), None), found(&["cluster"]));
}

#[test]
fn two_equally_near_ones_are_ambiguous() {
    let world = World::new(
        &[("a/set.yaml", SET.to_owned()), ("b/x.yaml", service("db", "1")), ("c/x.yaml", service("db", "2"))],
        &[],
    );
    assert_eq!(world.ask(Some("db"), None), None);
    let words: Vec<String> = world.neighbours.ambiguities().iter().map(ToString::to_string).collect();
    assert_eq!(words, ["v1 Service `db` is in `b/x.yaml` and `c/x.yaml`"]);
    assert_eq!(world.ask(Some("other"), None), None);
}

#[test]
fn copies_that_say_the_same_are_one_object() {
    let world = World::new(
        &[("a/set.yaml", SET.to_owned()), ("b/x.yaml", service("db", "1")), ("c/x.yaml", service("db", "1"))],
        &[],
    );
    assert_eq!(world.ask(Some("db"), None), found(&["1"]));
    assert!(world.neighbours.ambiguities().is_empty());
}

/// Whoever was answered before, when mutation ran, and whoever asks by labels that only mutation wrote.
#[test]
fn what_was_changed_is_answered_from_then_on() {
    let world = World::new(&[("a/set.yaml", SET.to_owned() + &service("db", "written") + &service("x", "1"))], &[]);
    assert_eq!(world.ask(Some("db"), None), found(&["written"]));
    let changed = r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"db","labels":{"new":"yes"}},"spec":{"marker":"changed"}}"#;
    world.neighbours.inventory.change([(1, Arc::from(changed))]);
    assert_eq!(world.ask(Some("db"), None), found(&["changed"]));
    assert_eq!(world.ask(None, None), found(&["changed", "1"]));
    assert_eq!(world.ask(None, Some("new=yes")), found(&["changed"]));
}

#[test]
fn not_found_is_absent_only_where_the_kind_is_known() {
    let alone = World::new(&[("a/set.yaml", SET.to_owned())], &[]);
    assert_eq!(alone.ask(Some("db"), None), None);
    let elsewhere = World::new(&[("a/set.yaml", SET.to_owned()), ("b/x.yaml", service("x", "1"))], &[]);
    assert_eq!(elsewhere.ask(Some("db"), None), None);
    let near = World::new(&[("a/set.yaml", SET.to_owned()), ("a/x.yaml", service("x", "1"))], &[]);
    assert_eq!(near.ask(Some("db"), None), found(&[]));
    let cluster = World::new(&[("a/set.yaml", SET.to_owned())], &[service("x", "1")]);
    assert_eq!(cluster.ask(Some("db"), None), found(&[]));
    let other_namespace = service("x", "1").replace("  name: x", "  name: x\n  namespace: other");
    let other = World::new(&[("a/set.yaml", SET.to_owned() + &other_namespace)], &[]);
    assert_eq!(other.ask(Some("db"), None), None);
}

#[test]
fn lists_are_the_near_ones_and_the_clusters() {
    let files = [
        ("a/set.yaml", SET.to_owned() + &service("x", "1")),
        ("a/y.yaml", service("yy", "2")),
        ("b/z.yaml", service("z", "3")),
    ];
    let world = World::new(&files, &[service("w", "4"), service("x", "5")]);
    assert_eq!(world.ask(None, None), found(&["4", "1", "2"]));
    assert_eq!(world.ask(None, Some("app in (yy, z)")), found(&["2"]));
    let far = World::new(&[("a/set.yaml", SET.to_owned()), ("b/z.yaml", service("z", "3"))], &[]);
    assert_eq!(far.ask(None, None), found(&["3"]));
}

#[test]
fn namespaces_have_their_labels() {
    let namespace = |profile| {
        format!(
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{stateward.dev/profile: {profile}}}}}\n"
        )
    };
    let labels = |world: &World| {
        let labels = futures_now(world.neighbours.namespace_labels("shop"));
        labels.map(|labels| labels.get("stateward.dev/profile").cloned().unwrap_or_default())
    };
    assert_eq!(labels(&World::new(&[("set.yaml", SET.to_owned())], &[])), None);
    let near = World::new(&[("a/set.yaml", SET.to_owned() + &namespace("strict"))], &[namespace("baseline")]);
    assert_eq!(labels(&near).as_deref(), Some("strict"));
    let cluster = World::new(&[("a/set.yaml", SET.to_owned())], &[namespace("baseline")]);
    assert_eq!(labels(&cluster).as_deref(), Some("baseline"));
}

/// These futures are ready at once.
fn futures_now<T>(future: BoxFuture<'_, T>) -> T {
    match std::pin::pin!(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("waits for something"),
    }
}
