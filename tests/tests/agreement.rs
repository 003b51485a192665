//! `check` agrees with a second, independent computation of the same rules, on the corpus and on sets made from it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use stateward_tests::oracle::{self, Expected, Neighbours};
use stateward_tests::{skip, stateward};

/// Every real set and four mutations of each, under both profiles, with StorageClasses known and unknown.
#[test]
fn check_agrees_with_the_oracle() {
    let Some(mut cases) = corpus() else {
        return skip("agreement", "there is no ../shared/corpus; only the sets written here were compared");
    };
    let real = cases.len();
    assert!(real > 300, "the corpus has only {real} sets");
    let mut random = Random(7);
    for case in 0..real {
        for _ in 0..4 {
            let mutated = cases[case].mutate(&mut random);
            cases.push(mutated);
        }
    }
    compare(&mut cases);
}

/// Without the corpus this is what remains, so it stands alone.
#[test]
fn check_agrees_with_the_oracle_on_sets_made_up() {
    let mut random = Random(11);
    let mut cases = vec![Case { name: "plain".to_owned(), set: plain(), services: Some(vec![service("db", true)]) }];
    for _ in 0..200 {
        let mutated = cases[0].mutate(&mut random);
        cases.push(mutated);
    }
    compare(&mut cases);
}

/// Judges all cases in four runs of the binary and compares each with the oracle.
fn compare(cases: &mut [Case]) {
    let folder = tempfile::tempdir().unwrap();
    let classes = folder.path().join("classes");
    std::fs::create_dir(&classes).unwrap();
    std::fs::write(
        classes.join("classes.json"),
        json!({"apiVersion": "v1", "kind": "List", "items": class_list()}).to_string(),
    )
    .unwrap();
    let sets = folder.path().join("sets");
    std::fs::create_dir(&sets).unwrap();
    for (number, case) in cases.iter_mut().enumerate() {
        // A namespace of its own, so that no case is the neighbour of another.
        let namespace = format!("case-{number}");
        case.move_to(&namespace);
        let items: Vec<&Value> = std::iter::once(&case.set).chain(case.services.iter().flatten()).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        std::fs::write(sets.join(format!("{namespace}.json")), list.to_string()).unwrap();
    }
    let mut seen = BTreeSet::new();
    for is_strict in [false, true] {
        for with_classes in [false, true] {
            let answers = check(&sets, is_strict, with_classes.then_some(classes.as_path()));
            for (number, case) in cases.iter().enumerate() {
                let neighbours = Neighbours { services: case.services.clone(), classes: with_classes.then(class_list) };
                let expected = oracle::judge(&case.set, &neighbours, is_strict);
                let answered = answers.get(&format!("case-{number}")).cloned().unwrap_or_default();
                seen.extend(expected.iter().cloned());
                assert_eq!(
                    answered, expected,
                    "{} (strict: {is_strict}, classes: {with_classes})\n{:#}",
                    case.name, case.set
                );
            }
        }
    }
    // An oracle that never fires would agree with anything.
    for rule in RULES {
        assert!(seen.iter().any(|line| line.starts_with(&format!("{rule} "))), "no case made `{rule}` fire");
    }
}

/// Runs the binary once; answers by namespace.
fn check(sets: &Path, is_strict: bool, inventory: Option<&Path>) -> BTreeMap<String, Expected> {
    let mut command = Command::new(stateward());
    command.arg("check").arg(sets).args(["-o", "json", "--profile", if is_strict { "strict" } else { "baseline" }]);
    if let Some(inventory) = inventory {
        command.arg("--inventory").arg(inventory);
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{:?}: {stderr}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut answers: BTreeMap<String, Expected> = BTreeMap::new();
    let mut add = |entry: &Value, what: String| {
        let rule = entry["rule"].as_str().unwrap();
        if RULES.contains(&rule) {
            answers
                .entry(entry["namespace"].as_str().unwrap().to_owned())
                .or_default()
                .insert(format!("{rule} {what}"));
        }
    };
    for result in report["results"].as_array().unwrap() {
        add(result, result["action"].as_str().unwrap().to_lowercase());
    }
    for undecided in report["undecided"].as_array().unwrap() {
        add(undecided, "undecided".to_owned());
    }
    answers
}

#[derive(Clone)]
struct Case {
    name: String,
    set: Value,
    services: Option<Vec<Value>>,
}

impl Case {
    fn move_to(&mut self, namespace: &str) {
        for object in std::iter::once(&mut self.set).chain(self.services.iter_mut().flatten()) {
            object["metadata"]["namespace"] = Value::from(namespace);
        }
    }

    /// Up to three changes that the rules are about.
    fn mutate(&self, random: &mut Random) -> Self {
        let mut case = self.clone();
        let spec = &mut case.set["spec"];
        for _ in 0..=random.below(3) {
            match random.below(14) {
                0 => spec["template"]["spec"]["terminationGracePeriodSeconds"] = json!(random.pick(&[0, 0, 1, 30])),
                1 => spec["replicas"] = json!(random.pick(&[0, 1, 2, 3])),
                2 => spec["podManagementPolicy"] = json!(random.pick(&["Parallel", "OrderedReady"])),
                3 => spec["serviceName"] = json!(random.pick(&["", "db", "nobody"])),
                4 => spec["serviceName"] = Value::Null,
                5 => spec["volumeClaimTemplates"] = Value::Null,
                6 => spec["volumeClaimTemplates"] = json!([claim(random), claim(random)]),
                7 => push(&mut spec["volumeClaimTemplates"], claim(random)),
                8 => {
                    let volume = json!({"name": random.pick(&["data", "shared"]), "persistentVolumeClaim": {"claimName": "disk"}});
                    push(&mut spec["template"]["spec"]["volumes"], volume);
                }
                9 => {
                    let claim = json!({"claimName": "disk", "readOnly": true});
                    push(
                        &mut spec["template"]["spec"]["volumes"],
                        json!({"name": "shared", "persistentVolumeClaim": claim}),
                    );
                }
                10 => push(
                    &mut spec["template"]["spec"]["initContainers"],
                    json!({"name": "side", "image": "side:1",
                    "restartPolicy": random.pick(&["Always", "Never"]), "readinessProbe": {"exec": {"command": ["true"]}}}),
                ),
                11 => {
                    spec["template"]["spec"]["containers"] = json!([{"name": "db", "image": "db:1", "volumeMounts": [
                    {"name": "shared", "mountPath": "/data", "readOnly": random.below(2) == 0}]}])
                }
                12 => {
                    case.services =
                        random.pick(&[None, Some(true), Some(false)]).map(|headless| vec![service("db", headless)])
                }
                _ => {
                    let length = random.pick(&[51, 52, 53, 63]);
                    case.set["metadata"]["name"] = json!("n".repeat(length));
                    return case;
                }
            }
        }
        // A name twice in one list is another rule's business, and leaves open which one is meant.
        for list in ["volumes", "initContainers"] {
            keep_first_of_each_name(&mut case.set["spec"]["template"]["spec"][list]);
        }
        case
    }
}

fn claim(random: &mut Random) -> Value {
    let modes = random.pick(&[
        json!(["ReadWriteOnce"]),
        json!(["ReadWriteMany"]),
        json!([]),
        json!(["ReadWriteOnce", "ReadWriteMany"]),
    ]);
    let storage = random.pick(&[json!({"requests": {"storage": "1Gi"}}), json!({"requests": {}}), Value::Null]);
    let class = random.pick(&[Value::Null, json!(""), json!("local"), json!("remote"), json!("nowhere")]);
    let name = random.pick(&["data", "shared", "log"]);
    json!({"metadata": {"name": name}, "spec": {"accessModes": modes, "resources": storage, "storageClassName": class}})
}

fn plain() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": 3, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db", "image": "db:1"}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}],
        },
    })
}

fn service(name: &str, headless: bool) -> Value {
    let address = if headless { "None" } else { "10.0.0.7" };
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"clusterIP": address, "ports": [{"port": 1}]}})
}

/// The default one is local, as on every laptop.
fn class_list() -> Vec<Value> {
    let class = |name: &str, provisioner: &str, default: &str| {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": provisioner, "metadata": {"name": name,
            "annotations": {"storageclass.kubernetes.io/is-default-class": default}}})
    };
    vec![class("local", "rancher.io/local-path", "true"), class("remote", "ebs.csi.aws.com", "false")]
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

/// The corpus' sets with the Services of their group, or nothing where the folder is not there.
fn corpus() -> Option<Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).ok()?.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let case = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        let group = text.lines().find_map(|line| line.strip_prefix("# group: ")).unwrap_or_default().to_owned();
        let set = objects(&file).into_iter().find(|object| object["kind"] == "StatefulSet").unwrap();
        let namespace = |object: &Value| object["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
        let mut services: Vec<Value> = objects(&folder.join("neighbours").join(&group));
        services.retain(|object| is_service(object) && namespace(object) == namespace(&set));
        // Two of one name are ambiguous in a file; a cluster has one.
        let mut names = BTreeSet::new();
        services.retain(|object| names.insert(object["metadata"]["name"].to_string()));
        let services = (!group.is_empty() && !services.is_empty()).then_some(services);
        Case { name: file.display().to_string(), set, services }
    };
    Some(files.into_iter().map(case).collect())
}

/// Knative has Services, too.
fn is_service(object: &Value) -> bool {
    object["apiVersion"] == "v1" && object["kind"] == "Service"
}

/// All objects of a file or a folder; none where there is none.
fn objects(path: &Path) -> Vec<Value> {
    if !path.exists() {
        return Vec::new();
    }
    let documents = stateward_manifests::read(&[path.to_path_buf()]);
    assert!(documents.errors.is_empty(), "{:?}", documents.errors);
    documents.objects.iter().map(|document| serde_json::from_str(&document.json).unwrap()).collect()
}

/// A linear congruential generator (Knuth's MMIX constants): the same cases in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// What the oracle computes.
const RULES: &[&str] = &[
    "ordered-identity/zero-grace",
    "ordered-identity/name-too-long",
    "ordered-identity/parallel-management",
    "ordered-identity/no-readiness-gate",
    "ordered-identity/no-service-name",
    "ordered-identity/not-headless",
    "remote-volumes/no-claim-template",
    "remote-volumes/shared-claim",
    "remote-volumes/shared-access-mode",
    "remote-volumes/incomplete-claim",
    "remote-volumes/local-class",
];
