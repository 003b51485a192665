//! Changes by chance, which proptest makes smaller where they show a difference.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::case::Case;
use crate::changes;
use crate::objects::{claim, service};

/// One change of a case.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    /// A field of a set, by the names of the way to it.
    Set(&'static [&'static str], Value),
    /// At the end of a list of a set.
    Push(&'static [&'static str], Value),
    /// A Service of this name, headless or not.
    Service(bool),
    WithoutServices,
    /// How many pods, of whatever has some.
    Replicas(u32),
    /// One of the written changes.
    Change(usize),
}

/// Up to three fields, and at times one of the written changes on top.
pub(crate) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let written = (0..changes::all().len()).prop_map(Edit::Change);
    (vec(edit(), 1..=3), vec(written, 0..=1)).prop_map(|(edits, written)| [edits, written].concat())
}

/// Edits are of a set where they name its fields; else they leave the object as it is.
pub(crate) fn changed(case: &Case, edits: &[Edit]) -> Case {
    let mut changed = Case { name: format!("{}, changed at random", case.name), ..case.clone() };
    let is_set = case.objects[0]["kind"] == "StatefulSet";
    for edit in edits {
        match edit {
            Edit::Set(way, value) if is_set => *at(&mut changed.objects[0], way) = value.clone(),
            Edit::Push(way, value) if is_set => push(at(&mut changed.objects[0], way), value.clone()),
            Edit::Service(is_headless) if is_set => changed.put(service("db", *is_headless)),
            Edit::WithoutServices if is_set => changed.objects.retain(|object| object["kind"] != "Service"),
            Edit::Replicas(replicas) if changed.objects[0]["kind"] != "Pod" => {
                changed.objects[0]["spec"]["replicas"] = json!(replicas);
            }
            Edit::Change(number) => {
                let change = &changes::all()[*number];
                if change.kind() == changed.objects[0]["kind"] {
                    changed = change.applied_to(&changed);
                }
            }
            _ => {}
        }
    }
    // A name twice in one list is another rule's business, and leaves open which one is meant.
    if is_set {
        for list in ["volumes", "initContainers"] {
            keep_first_of_each_name(&mut changed.objects[0]["spec"]["template"]["spec"][list]);
        }
    }
    changed
}

/// The same changes in every run, for tests of many cases at once.
pub(crate) struct Chance {
    runner: TestRunner,
    edits: BoxedStrategy<Vec<Edit>>,
}

impl Chance {
    pub(crate) fn new() -> Self {
        Self { runner: TestRunner::deterministic(), edits: edits().boxed() }
    }

    pub(crate) fn changed(&mut self, case: &Case) -> Case {
        changed(case, &self.edits.new_tree(&mut self.runner).unwrap().current())
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let one = |way: &'static [&'static str], values: Vec<Value>| {
        select(values).prop_map(move |value| Edit::Set(way, value)).boxed()
    };
    let more = |way: &'static [&'static str], values: BoxedStrategy<Value>| {
        values.prop_map(move |value| Edit::Push(way, value)).boxed()
    };
    let names = [51, 52, 53, 63].map(|length| json!("n".repeat(length)));
    prop_oneof![
        one(
            &["spec", "template", "spec", "terminationGracePeriodSeconds"],
            vec![json!(0), json!(1), json!(29), json!(30)]
        ),
        (0u32..4).prop_map(Edit::Replicas),
        one(&["spec", "podManagementPolicy"], vec![json!("Parallel"), json!("OrderedReady"), json!("Sometimes")]),
        one(&["spec", "serviceName"], vec![json!("db"), json!(""), json!("nobody"), Value::Null]),
        one(&["spec", "volumeClaimTemplates"], vec![Value::Null]),
        vec(claim_template(), 2).prop_map(|templates| Edit::Set(&["spec", "volumeClaimTemplates"], json!(templates))),
        more(&["spec", "volumeClaimTemplates"], claim_template().boxed()),
        more(&["spec", "template", "spec", "volumes"], volume().boxed()),
        more(&["spec", "template", "spec", "initContainers"], init_container().boxed()),
        container().prop_map(|container| Edit::Set(&["spec", "template", "spec", "containers"], json!([container]))),
        any::<bool>().prop_map(Edit::Service),
        Just(Edit::WithoutServices),
        one(&["metadata", "annotations", "stateward.dev/writes"], vec![json!("manager-only"), json!("any"), json!("")]),
        one(&["metadata", "name"], names.to_vec()),
    ]
}

fn volume() -> impl Strategy<Value = Value> {
    let sources = vec![
        json!({"persistentVolumeClaim": {"claimName": "disk"}}),
        json!({"persistentVolumeClaim": {"claimName": "disk", "readOnly": true}}),
        json!({"emptyDir": {}}),
        json!({"hostPath": {"path": "/disk"}}),
        json!({"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}),
        json!({"configMap": {"name": "settings"}}),
    ];
    (select(sources), select(&["data", "shared"][..])).prop_map(|(mut volume, name)| {
        volume["name"] = json!(name);
        volume
    })
}

fn init_container() -> impl Strategy<Value = Value> {
    (select(&["side", "clone-data"][..]), select(&["Always", "Never"][..])).prop_map(|(name, restart)| {
        json!({"name": name, "image": "side:1", "restartPolicy": restart, "readinessProbe": {"exec": {"command": ["true"]}}})
    })
}

fn container() -> impl Strategy<Value = Value> {
    let paths = select(&["/data", "/config", "/var/lib/mysql/", "/database"][..]);
    let images = select(&["server:1", "postgres:16", "redis_exporter:1"][..]);
    (paths, images, select(&["data", "shared"][..]), any::<bool>()).prop_map(|(path, image, volume, is_read_only)| {
        let mount = json!({"name": volume, "mountPath": path, "readOnly": is_read_only});
        json!({"name": "db", "image": image, "volumeMounts": [mount]})
    })
}

fn claim_template() -> impl Strategy<Value = Value> {
    let modes = vec![
        json!(["ReadWriteOnce"]),
        json!(["ReadWriteOncePod"]),
        json!(["ReadWriteMany"]),
        json!([]),
        json!(["ReadWriteOnce", "ReadOnlyMany"]),
    ];
    let resources = vec![json!({"requests": {"storage": "1Gi"}}), json!({"requests": {}}), Value::Null];
    let classes = vec![Value::Null, json!(""), json!("local"), json!("remote"), json!("nowhere")];
    let fields = (select(&["data", "shared", "log"][..]), select(modes), select(resources), select(classes));
    fields.prop_map(|(name, modes, resources, class)| {
        let mut template = claim(name);
        let spec = &mut template["spec"];
        (spec["accessModes"], spec["resources"], spec["storageClassName"]) = (modes, resources, class);
        template
    })
}

/// What is not there yet comes to be.
fn at<'v>(object: &'v mut Value, way: &[&str]) -> &'v mut Value {
    way.iter().fold(object, |value, key| &mut value[*key])
}

fn push(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(items) => items.push(item),
        None => *list = json!([item]),
    }
}

fn keep_first_of_each_name(list: &mut Value) {
    let mut names = BTreeSet::new();
    if let Some(items) = list.as_array_mut() {
        items.retain(|item| names.insert(item["name"].to_string()));
    }
}
