//! Changes by chance, the same in every run.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::case::Case;
use crate::changes;
use crate::objects::{claim, service};

/// Up to three fields set at random, and at times one of the written changes on top.
pub(crate) fn changed(case: &Case, random: &mut Random) -> Case {
    let mut changed = Case { name: format!("{}, changed at random", case.name), ..case.clone() };
    if case.objects[0]["kind"] == "StatefulSet" {
        for _ in 0..=random.below(3) {
            change_set(&mut changed, random);
        }
    } else if random.below(2) == 0 {
        changed.objects[0]["spec"]["replicas"] = json!(random.pick(&[0, 1, 2]));
    }
    let others = changes::all();
    let other = &others[random.below(others.len())];
    if other.kind() == changed.objects[0]["kind"] {
        changed = other.applied_to(&changed);
    }
    // A name twice in one list is another rule's business, and leaves open which one is meant.
    if case.objects[0]["kind"] == "StatefulSet" {
        for list in ["volumes", "initContainers"] {
            keep_first_of_each_name(&mut changed.objects[0]["spec"]["template"]["spec"][list]);
        }
    }
    changed
}

fn change_set(case: &mut Case, random: &mut Random) {
    let spec = &mut case.objects[0]["spec"];
    let pod = &mut spec["template"]["spec"];
    match random.below(16) {
        0 => pod["terminationGracePeriodSeconds"] = json!(random.pick(&[0, 1, 29, 30])),
        1 => spec["replicas"] = json!(random.pick(&[0, 1, 2, 3])),
        2 => spec["podManagementPolicy"] = json!(random.pick(&["Parallel", "OrderedReady", "Sometimes"])),
        3 => spec["serviceName"] = json!(random.pick(&["", "db", "nobody"])),
        4 => spec["serviceName"] = Value::Null,
        5 => spec["volumeClaimTemplates"] = Value::Null,
        6 => spec["volumeClaimTemplates"] = json!([random_claim(random), random_claim(random)]),
        7 => push(&mut spec["volumeClaimTemplates"], random_claim(random)),
        8 => push(&mut pod["volumes"], volume(random)),
        9 => push(
            &mut pod["volumes"],
            json!({"name": "shared", "persistentVolumeClaim": {"claimName": "disk", "readOnly": true}}),
        ),
        10 => push(
            &mut pod["initContainers"],
            json!({"name": random.pick(&["side", "clone-data"]), "image": "side:1",
                "restartPolicy": random.pick(&["Always", "Never"]), "readinessProbe": {"exec": {"command": ["true"]}}}),
        ),
        11 => {
            let path = random.pick(&["/data", "/config", "/var/lib/mysql/", "/database"]);
            let image = random.pick(&["server:1", "postgres:16", "redis_exporter:1"]);
            let mount =
                json!({"name": random.pick(&["data", "shared"]), "mountPath": path, "readOnly": random.below(2) == 0});
            pod["containers"] = json!([{"name": "db", "image": image, "volumeMounts": [mount]}]);
        }
        12 => case.put(service("db", random.below(2) == 0)),
        13 => case.objects.retain(|object| object["kind"] != "Service"),
        14 => {
            case.objects[0]["metadata"]["annotations"]["stateward.dev/writes"] =
                json!(random.pick(&["manager-only", "any", ""]))
        }
        _ => case.objects[0]["metadata"]["name"] = json!("n".repeat(random.pick(&[51, 52, 53, 63]))),
    }
}

fn volume(random: &mut Random) -> Value {
    let mut volume = random.pick(&[
        json!({"persistentVolumeClaim": {"claimName": "disk"}}),
        json!({"emptyDir": {}}),
        json!({"hostPath": {"path": "/disk"}}),
        json!({"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}),
        json!({"configMap": {"name": "settings"}}),
    ]);
    volume["name"] = json!(random.pick(&["data", "shared"]));
    volume
}

fn random_claim(random: &mut Random) -> Value {
    let mut template = claim(random.pick(&["data", "shared", "log"]));
    let spec = &mut template["spec"];
    spec["accessModes"] = random.pick(&[
        json!(["ReadWriteOnce"]),
        json!(["ReadWriteOncePod"]),
        json!(["ReadWriteMany"]),
        json!([]),
        json!(["ReadWriteOnce", "ReadOnlyMany"]),
    ]);
    spec["resources"] = random.pick(&[json!({"requests": {"storage": "1Gi"}}), json!({"requests": {}}), Value::Null]);
    spec["storageClassName"] =
        random.pick(&[Value::Null, json!(""), json!("local"), json!("remote"), json!("nowhere")]);
    template
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

/// A linear congruential generator (Knuth's MMIX constants): the same cases in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}
