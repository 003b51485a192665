//! The surroundings of a field as YAML, drawn from the object itself: the way to the field, its neighbours, and the field marked.
//!
//! Nothing is drawn of what may hold a secret: values of environment variables, commands and arguments, the data of Secrets and ConfigMaps,
//! annotations of others (one of them is the whole object once more). Whoever reads a report may not be allowed to read the object.

mod conceal;
mod guard;
mod lines;
mod node;

use std::borrow::Cow;

use stateward_core::pointer::tokens;

use crate::check::Snippet;
pub use conceal::conceal;
pub(crate) use conceal::may_hide;
use guard::{Guard, guard_of, is_name};
pub use guard::{HIDDEN, is_secret, redact};
use lines::{Lines, REDACTED, shortened};
use node::Node;

/// The lines around `pointer`, or around the nearest place that the object has; `None` for what is not JSON. Costs one reading of the object: for
/// several fields of one object keep a [`Tree`].
pub fn snippet(json: &str, pointer: &str) -> Option<Snippet> {
    Tree::read(json).map(|tree| tree.snippet(pointer))
}

/// A value that a rule would write at `pointer`, as YAML, without secrets. What is not JSON is not shown.
pub fn value(json: &str, pointer: &str) -> String {
    let (Some(guard), Some(tree)) = (guard_of(pointer), Tree::read(json)) else { return REDACTED.to_owned() };
    let mut lines = Lines::default();
    match &tree.0 {
        Node::Scalar(_) if guard == Guard::Environment && !is_name(pointer) => return REDACTED.to_owned(),
        Node::Scalar(scalar) => return shortened(scalar),
        node => lines.all(node, guard, 0, 0),
    }
    lines.drawn().text
}

/// An object that snippets are drawn of.
pub struct Tree(Node);

impl Tree {
    /// `None` for what is not JSON.
    pub fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// The lines around `pointer`, or around the nearest place that the object has.
    pub fn snippet(&self, pointer: &str) -> Snippet {
        let tokens: Vec<Cow<'_, str>> = tokens(pointer).collect();
        let mut lines = Lines::default();
        lines.way(&self.0, &tokens, Guard::Open, 0, false);
        lines.drawn()
    }

    /// Every scalar at and below `pointer` that is not drawn, as YAML writes it: what others may not say either.
    fn secrets(&self, pointer: &str) -> Vec<&str> {
        let guard = guard_of(pointer);
        if matches!(guard, Some(Guard::Open | Guard::Annotations)) {
            return Vec::new();
        }
        let mut node = &self.0;
        for token in tokens(pointer) {
            let below = match node {
                Node::Map(entries) => entries.iter().find(|(key, _)| *key == token).map(|(_, node)| node),
                Node::List(items) => token.parse::<usize>().ok().and_then(|at| items.get(at)),
                Node::Scalar(_) => None,
            };
            let Some(below) = below else { return Vec::new() };
            node = below;
        }
        let mut secrets = Vec::new();
        node.secrets(guard, is_name(pointer), &mut secrets);
        secrets
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn set() -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db", "annotations": {"stateward.dev/writes": "manager-only", "other.example.com/note": "n"}},
            "spec": {"replicas": 3, "template": {"spec": {
                "containers": [
                    {"name": "sidecar", "image": "sidecar:1"},
                    {"name": "db", "image": "db:1", "args": ["--password=hunter2"], "env": [{"name": "PASSWORD", "value": "hunter2"}]},
                ],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "carts: data"}}],
            }}},
        })
    }

    /// The text, with `>` before what is marked.
    fn drawn(pointer: &str) -> String {
        let Snippet { text, span, .. } = snippet(&set().to_string(), pointer).unwrap();
        let mut offset = 0;
        let lines = text.split('\n').map(|line| {
            let is_marked = offset < span.end && offset + line.len() > span.start;
            offset += line.len() + 1;
            format!("{}{line}\n", if is_marked { '>' } else { ' ' })
        });
        lines.collect()
    }

    #[test]
    fn shows_the_way_to_a_field_and_marks_it() {
        insta::assert_snapshot!(drawn("/spec/template/spec/volumes/0/persistentVolumeClaim/claimName"), @r#"
         spec:
           template:
             spec:
               volumes:
                 - name: data
                   persistentVolumeClaim:
        >            claimName: "carts: data"
        "#);
    }

    #[test]
    fn shows_what_is_missing_at_its_place() {
        insta::assert_snapshot!(drawn("/spec/template/spec/containers/1/readinessProbe"), @r"
         spec:
           template:
             spec:
               containers:
                 # 1 before it
                 - args: # redacted
                   env: # ..
                   image: db:1
                   name: db
        >          # readinessProbe is missing here
        ");
        insta::assert_snapshot!(drawn("/spec/serviceName"), @r"
         spec:
           replicas: 3
           template: # ..
        >  # serviceName is missing here
        ");
    }

    #[test]
    fn shows_a_whole_value_shortly() {
        insta::assert_snapshot!(drawn("/spec/template/spec/containers/1"), @r"
         spec:
           template:
             spec:
               containers:
                 # 1 before it
        >        - args: # redacted
        >          env:
        >            - name: PASSWORD
        >              value: # redacted
        >          image: db:1
        >          name: db
        ");
    }

    #[test]
    fn secrets_stay_where_they_are() {
        insta::assert_snapshot!(drawn("/spec/template/spec/containers/1/env/0/value"), @r"
         spec:
           template:
             spec:
               containers:
                 # 1 before it
                 - name: db
                   env:
                     - name: PASSWORD
        >              value: # redacted
        ");
        insta::assert_snapshot!(drawn("/metadata/annotations"), @r"
         metadata:
        >  annotations:
        >    other.example.com/note: # redacted
        >    stateward.dev/writes: manager-only
           name: db
        ");
        assert_eq!(
            value("{\"name\":\"A\",\"value\":\"hunter2\"}", "/spec/containers/0/env/-"),
            "name: A\nvalue: # redacted"
        );
        assert_eq!(value("\"hunter2\"", "/spec/containers/0/env/0/value"), "# redacted");
        assert_eq!(value("[\"hunter2\"]", "/spec/containers/0/args"), "# redacted");
        assert_eq!(value("\"db-0\"", "/metadata/annotations/stateward.dev~1manager"), "db-0");
        assert!(is_secret("/data/0") && !is_secret("/spec/replicas"));
    }

    #[test]
    fn what_is_no_json_has_no_snippet() {
        assert!(snippet("{", "/spec").is_none());
        assert_eq!(snippet("3", "/spec").unwrap().text, "# spec is missing here");
        assert_eq!(snippet("[]", "").unwrap().text, "[]");
    }

    /// Objects of every shape around keys that matter, well-typed or not. Every scalar below a key that closes is a secret.
    fn node(is_secret: bool) -> BoxedStrategy<Value> {
        let scalar = if is_secret {
            "hunter[0-9]{1,4}".prop_map(Value::from).boxed()
        } else {
            prop_oneof![Just(Value::Null), Just(json!(3)), "[a-g]{0,4}|<x>|: -|\\PC{0,3}".prop_map(Value::from)].boxed()
        };
        scalar
            .prop_recursive(4, 32, 4, move |inner| {
                let key = prop_oneof![
                    Just("spec"),
                    Just("template"),
                    Just("containers"),
                    Just("0"),
                    Just("name"),
                    Just("image")
                ];
                prop_oneof![
                    proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                    proptest::collection::vec((key, inner), 0..4).prop_map(|entries| Value::Object(
                        entries.into_iter().map(|(key, node)| (key.to_owned(), node)).collect()
                    )),
                ]
            })
            .boxed()
    }

    fn object() -> impl Strategy<Value = Value> {
        let key = prop_oneof![Just("args"), Just("command"), Just("data"), Just("stringData"), Just("value")];
        let variable = (node(true), "[A-Z]{1,3}").prop_map(|(value, name)| json!({"name": name, "value": value}));
        let environment = prop_oneof![
            proptest::collection::vec(variable, 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[A-Z]{1,3}", "hunter[0-9]{1,4}", 0..3).prop_map(|map| json!(map)),
            Just(json!("hunter2")),
            Just(json!(["A=hunter2"])),
        ];
        let annotations = Just(json!({"kubectl.kubernetes.io/last-applied-configuration": "{\"args\":[\"hunter2\"]}"}));
        (node(false), key, node(true), environment, annotations).prop_map(|(open, key, closed, env, annotations)| {
            json!({"metadata": {"name": "x", "annotations": annotations}, key: closed,
                "spec": {"containers": [open, {"name": "c", key: closed, "env": env, "after": open}], "x": open}})
        })
    }

    /// Every pointer into a value, and one further.
    fn pointers(value: &Value, prefix: &str, all: &mut Vec<String>) {
        all.extend([prefix.to_owned(), format!("{prefix}/nowhere"), format!("{prefix}/7")]);
        let below: Vec<(String, &Value)> = match value {
            Value::Object(map) => {
                map.iter().map(|(key, value)| (stateward_core::pointer::escape(key).into_owned(), value)).collect()
            }
            Value::Array(list) => list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
            _ => Vec::new(),
        };
        for (token, value) in below {
            pointers(value, &format!("{prefix}/{token}"), all);
        }
    }

    proptest! {
        #[test]
        fn no_secret_is_ever_drawn(object in object()) {
            let tree = Tree::read(&object.to_string()).unwrap();
            let mut all = Vec::new();
            pointers(&object, "", &mut all);
            for pointer in all {
                let drawn = tree.snippet(&pointer);
                prop_assert!(!drawn.text.contains("hunter"), "{pointer}:\n{}", drawn.text);
                prop_assert!(drawn.text.get(drawn.span.clone()).is_some_and(|marked| !marked.is_empty()), "{pointer}: nothing is marked");
                if let Some(at) = object.pointer(&pointer) {
                    let value = value(&at.to_string(), &pointer);
                    prop_assert!(!value.contains("hunter"), "{pointer}:\n{value}");
                }
            }
        }
    }
}
