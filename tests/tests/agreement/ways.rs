//! The ways to be judged say the same of what is stored, word by word and equally often: a server that is asked as the API server asks, `check`, `audit` of
//! files, and the scanner of a cluster; with exemptions, namespaces that raise the profile, and policies that only record or warn.
//!
//! What is stored is what the server's mutation made of the objects, of the neighbours, too. `check` is asked about the objects as they were written: of those
//! it says what the server says of what is stored.
//!
//! A server's answer tells less than it found, and cuts what it tells. So its answers are compared byte by byte with those that the same code gives in this
//! process, and what that code found with what the others say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use stateward_tests::client::{Connection, Protocol};
use stateward_tests::server::Serve;
use stateward_tests::stateward;

use crate::asked::{Known, PATHS, Rules, review};
use crate::case::Case;
use crate::objects;
use crate::said::{Key, Line, Said, key};
use crate::user;
use crate::world;

/// Compares all objects of all cases.
pub(crate) fn agree(cases: Vec<Case>) {
    let mut cases: Vec<Case> = cases.into_iter().filter_map(Case::served).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (mut cluster, mut exemptions) = (objects::cluster(), Vec::new());
    for (number, case) in cases.iter_mut().enumerate() {
        let namespace = format!("case-{number}");
        case.move_to(&namespace);
        let named = case.objects[0]["metadata"]["name"].as_str();
        let namespace = world::namespace(number, &namespace, named);
        cluster.push(namespace.object);
        exemptions.extend(namespace.exemption);
    }
    world::write_policies(&path("policies"), &exemptions);
    std::fs::create_dir(path("cluster")).unwrap();
    std::fs::write(path("cluster/cluster.json"), world::list(&cluster)).unwrap();
    let of = |is_stored: bool| {
        let cases = cases.iter().filter(move |case| case.is_stored == is_stored);
        cases.flat_map(|case| case.objects.iter().cloned()).collect::<Vec<Value>>()
    };
    let (written, old) = (of(false), of(true));
    std::fs::write(path("written.json"), world::list(&written)).unwrap();

    std::fs::write(path("cluster/objects.json"), world::list(&[&written[..], &old].concat())).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let rules = runtime.block_on(Rules::load(&path("policies")));
    let mut wire = Wire::default();
    let stored = runtime.block_on(async {
        let inventory = rules.inventory(cluster.iter().chain(&written).chain(&old), Known::WhereSomeAre);
        let mut server = Server::start(folder.path()).await;
        let mut stored = Vec::new();
        for object in &written {
            let (answer, mutated) = rules.mutate(object, &inventory).await;
            wire.compare(object, "/mutate", &answer, &server.ask("/mutate", object).await);
            stored.push(mutated);
        }
        stored
    });
    let is_written: BTreeSet<Key> = stored.iter().map(key).collect();
    let stored = [stored, old].concat();
    std::fs::write(path("cluster/objects.json"), world::list(&stored)).unwrap();
    let mut differences = Differences::default();
    let (mut served, mut bound) = (BTreeMap::new(), BTreeSet::new());
    runtime.block_on(async {
        let known = [Known::WhereSomeAre, Known::Everywhere];
        let [files, whole] = known.map(|known| rules.inventory(cluster.iter().chain(&stored), known));
        let mut server = Server::start(folder.path()).await;
        for object in &stored {
            let (answers, said) = rules.validate(object, &files).await;
            for (path, answer) in PATHS.into_iter().zip(&answers) {
                wire.compare(object, path, answer, &server.ask(path, object).await);
            }
            let scanned = rules.audit(object, &files).await;
            bound.extend(user::bound(&said, &scanned));
            differences.add(object, "server", &user::unbound(&said), "scanner", &user::unbound(&scanned));
            served.insert(key(object), scanned);
            let ((_, said), scanned) = (rules.validate(object, &whole).await, rules.audit(object, &whole).await);
            bound.extend(user::bound(&said, &scanned));
            differences.add(object, "server of a cluster", &user::unbound(&said), "scanner", &user::unbound(&scanned));
        }
    });
    // Nobody asks in a file, as nobody does of what is stored: there the two agree about every rule.
    for (command, file, mutates) in [("check", "written.json", true), ("audit", "cluster/objects.json", false)] {
        let others = run(command, folder.path(), file);
        for object in stored.iter().filter(|object| !mutates || is_written.contains(&key(object))) {
            let other = others.get(&key(object)).cloned().unwrap_or_default();
            // `check` says beside that which changes it could not decide about; nobody changes what is stored.
            let other = if mutates { user::of_judging(&other) } else { other };
            differences.add(object, "scanner", &served[&key(object)], command, &other);
        }
    }
    assert!(wire.0.is_empty(), "the server answers otherwise than its code:\n{}", wire.0.join("\n"));
    differences.assert_none();
    user::assert_all_needed(&bound);
    assert_all_sorts(&served);
}

/// What does not occur is not compared.
fn assert_all_sorts(served: &BTreeMap<Key, Said>) {
    let count =
        |is_meant: &dyn Fn(&Line) -> bool| served.values().flat_map(Said::lines).filter(|line| is_meant(line)).count();
    let said: usize = served.values().map(Said::count).sum();
    println!("{} objects, of which {said} things are said", served.len());
    assert!(said > served.len() / 2, "{said} of {}", served.len());
    for word in ["deny", "warn", "audit", "undecided,"] {
        println!("{word} {}", count(&|line| line.word() == word));
        assert!(count(&|line| line.word() == word) > 0, "nothing is {word}");
    }
    assert!(count(&Line::is_exempt) > 0, "nothing is exempt");
    for rule in ["forged-role", "second-manager", "rival-claim"] {
        let rule = format!("manager-writes/{rule}");
        assert!(count(&|line| line.rule == rule && line.word() == "deny") > 0, "`{rule}` refuses no pod");
    }
    for policy in ["recorded", "warned"] {
        assert!(count(&|line| line.is_of_policy(policy)) > 0, "`{policy}` says nothing");
    }
}

/// By what is said and by whom, of which objects.
#[derive(Default)]
pub(crate) struct Differences(BTreeMap<String, Vec<Key>>);

impl Differences {
    pub(crate) fn add(&mut self, object: &Value, one: &str, said: &Said, other: &str, too: &Said) {
        for (line, [here, there]) in said.differences(too) {
            let words = format!("{line}\n    {one} {here} times, {other} {there} times");
            self.0.entry(words).or_default().push(key(object));
        }
    }

    pub(crate) fn assert_none(&self) {
        let words = self.0.iter().map(|(line, of)| format!("{line}: {} objects, {:?}", of.len(), of[0]));
        assert!(
            self.0.is_empty(),
            "{} differences\n{}",
            self.0.len(),
            words.take(SHOWN).collect::<Vec<_>>().join("\n")
        );
    }
}

/// Answers of the server that are not what the same code answers here.
#[derive(Default)]
struct Wire(Vec<String>);

impl Wire {
    fn compare(&mut self, object: &Value, path: &str, here: &[u8], there: &str) {
        let here = String::from_utf8_lossy(here);
        if here != there && self.0.len() < SHOWN {
            self.0.push(format!("{path} of {:?}\n  {here}\n  {there}", key(object)));
        }
    }
}

/// One that has what is in the folder.
struct Server {
    connection: Connection,
    _serve: Serve,
}

impl Server {
    async fn start(folder: &Path) -> Self {
        let flag = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let (policies, cluster) = (flag("policies"), flag("cluster"));
        let serve = Serve::start(&["--policies", &policies, "--inventory", &cluster, "--drain-delay", "0"]).unwrap();
        Self { connection: serve.endpoint().unwrap().connect(Protocol::Http2).await.unwrap(), _serve: serve }
    }

    async fn ask(&mut self, path: &str, object: &Value) -> String {
        let answer = self.connection.post(path, review(object)).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }
}

fn run(command: &str, folder: &Path, objects: &str) -> BTreeMap<Key, Said> {
    let output = Command::new(stateward())
        .args([command, "-o", "json"])
        .arg(folder.join(objects))
        .arg("--policies")
        .arg(folder.join("policies"))
        .arg("--inventory")
        .arg(folder.join("cluster/cluster.json"))
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    Said::of_report(&serde_json::from_slice(&output.stdout).unwrap())
}

/// Of many differences the first ones: the rest is alike.
const SHOWN: usize = 30;
