//! The repository's own shape: crate walls, top-level names, links, and what must not be written into it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// One row of DESIGN's table: a crate, and what it must not reach by any normal or build dependency.
const WALLS: &[(&str, &[&str])] = &[
    ("stateward-core", &["tokio", "axum", "hyper", "kube", "kube-client", "wasmtime", "notify", "stateward-*"]),
    (
        "stateward-engine",
        &["axum", "hyper", "kube", "kube-client", "stateward-server", "stateward-manifests", "stateward-report"],
    ),
    (
        "stateward-server",
        &["wasmtime", "kube", "kube-client", "stateward-engine", "stateward-manifests", "stateward-report"],
    ),
    (
        "stateward-manifests",
        &["tokio", "axum", "hyper", "kube", "kube-client", "wasmtime", "stateward-engine", "stateward-server"],
    ),
    (
        "stateward-cases",
        &[
            "tokio",
            "axum",
            "hyper",
            "kube",
            "kube-client",
            "wasmtime",
            "stateward-engine",
            "stateward-server",
            "stateward-report",
        ],
    ),
    (
        "stateward-report",
        &["tokio", "axum", "hyper", "kube", "kube-client", "wasmtime", "stateward-engine", "stateward-server"],
    ),
    ("stateward-sdk", &["tokio", "wasmtime", "k8s-openapi", "stateward-*"]),
    (
        "stateward-stateful",
        &["tokio", "wasmtime", "k8s-openapi", "stateward-core", "stateward-engine", "stateward-server"],
    ),
    ("stateward-builtin", &["tokio", "wasmtime", "stateward-core", "stateward-engine", "stateward-server"]),
];

/// Crates in `policies/` that hold no rules.
const NOT_FAMILIES: [&str; 3] = ["stateward-sdk", "stateward-stateful", "stateward-builtin"];

const FORBIDDEN_IN_GUESTS: [&str; 5] = ["tokio", "wasmtime", "k8s-openapi", "kube", "serde_yaml"];

/// How a program asks for what core must be told.
const ASKS: [&str; 12] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::io::stdin",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "File::open",
    "println!",
];

#[test]
fn every_crate_keeps_to_its_walls() {
    let metadata = metadata();
    let mut broken = Vec::new();
    for (name, forbidden) in WALLS {
        for reached in reachable(&metadata, name) {
            if forbidden.iter().any(|pattern| matches(pattern, &reached)) {
                broken.push(format!("{name} reaches {reached}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Policies are plain functions: a family knows the SDK and what that knows, and the component its families.
#[test]
fn families_know_the_sdk_and_nothing_of_the_host() {
    let metadata = metadata();
    let policies = root().join("policies");
    let families = metadata.workspace_packages().into_iter().filter(|package| {
        let folder = package.manifest_path.parent().unwrap().as_std_path();
        folder.starts_with(&policies) && !NOT_FAMILIES.contains(&package.name.as_str())
    });
    let families: Vec<String> = families.map(|package| package.name.to_string()).collect();
    assert!(families.len() >= 3, "{families:?}");
    for family in &families {
        let reached = reachable(&metadata, family);
        let forbidden = |name: &&String| FORBIDDEN_IN_GUESTS.contains(&name.as_str());
        let ours: Vec<&String> = reached.iter().filter(|name| name.starts_with("stateward")).collect();
        assert_eq!(ours, ["stateward-sdk"], "{family} reaches {ours:?}");
        assert_eq!(reached.iter().find(forbidden), None, "{family}");
    }
    let of_component = reachable(&metadata, "stateward-stateful");
    let ours: BTreeSet<&String> = of_component.iter().filter(|name| name.starts_with("stateward")).collect();
    let sdk = "stateward-sdk".to_owned();
    assert!(ours.iter().all(|name| families.contains(name) || **name == sdk), "{ours:?}");
}

/// Core takes facts as arguments: its sources name no file, no socket, no environment and no clock.
#[test]
fn core_asks_nobody() {
    let sources = tracked_files().into_iter().filter(|file| file.starts_with("webhook/core/src"));
    let mut sources: Vec<(PathBuf, String)> =
        sources.map(|file| (file.clone(), std::fs::read_to_string(root().join(file)).unwrap())).collect();
    let is_test = |file: &Path| ["tests.rs", "testing.rs", "laws.rs"].iter().any(|name| file.ends_with(name));
    sources.retain(|(file, _)| file.extension().is_some_and(|extension| extension == "rs") && !is_test(file));
    assert!(sources.len() > 20, "core has only {} files", sources.len());
    for (file, text) in sources {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for asks in ASKS {
            assert!(!code.contains(asks), "{}: `{asks}`", file.display());
        }
    }
}

#[test]
fn nothing_depends_on_the_binary() {
    for package in metadata().workspace_packages() {
        for dependency in &package.dependencies {
            assert!(dependency.name != "stateward", "{} depends on the binary", package.name);
        }
    }
}

#[test]
fn every_workspace_crate_inherits_the_lints() {
    // The tests' own crates leave out the lints on panics and say why.
    let of_tests = ["stateward-tests", "stateward-cluster-tests"];
    for package in
        metadata().workspace_packages().into_iter().filter(|package| !of_tests.contains(&package.name.as_str()))
    {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} does not inherit the workspace's lints",
            package.name
        );
    }
}

#[test]
fn the_top_level_holds_only_the_agreed_names() {
    let agreed = ["Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "webhook", "policies", "deploy", "tests"];
    for file in tracked_files() {
        let top = file.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        assert!(
            top.starts_with('.') || agreed.contains(&top.as_str()),
            "`{top}` is not one of the agreed top-level names"
        );
    }
}

#[test]
fn the_contract_has_one_copy() {
    let copies: Vec<_> =
        tracked_files().into_iter().filter(|file| file.extension().is_some_and(|e| e == "wit")).collect();
    assert_eq!(copies, [PathBuf::from("policies/wit/policy.wit")]);
}

#[test]
fn links_and_paths_in_documents_lead_somewhere() {
    let root = root();
    let mut dead = Vec::new();
    for file in tracked_files().into_iter().filter(|file| file.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(root.join(&file)).unwrap();
        let folder = file.parent().unwrap_or(Path::new(""));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            if !root.join(folder).join(path).exists() {
                dead.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

/// No machine, no registry and no corpus: what the project contains is ours and runs anywhere.
#[test]
fn nothing_of_this_machine_is_written_down() {
    let root = root();
    // Split, so that this file does not contain what it looks for.
    let forbidden: Vec<String> =
        [("/work", "/"), ("/root", "/"), ("artifact", "ory"), ("index.crates", ".io:"), ("# class: helm", "-rendered")]
            .iter()
            .map(|(a, b)| format!("{a}{b}"))
            .collect();
    let mut found = Vec::new();
    for file in tracked_files() {
        let Ok(text) = std::fs::read_to_string(root.join(&file)) else {
            continue;
        };
        found.extend(
            forbidden.iter().filter(|word| text.contains(*word)).map(|word| format!("{}: `{word}`", file.display())),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_integration_test_says_what_it_is_for() {
    for entry in std::fs::read_dir(root().join("tests/tests")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("//! "), "{} does not begin with a line `//! ..`", path.display());
        }
    }
}

#[test]
fn no_test_is_ignored_and_nothing_is_left_open() {
    // Split, so that this file does not contain what it looks for.
    let forbidden: Vec<String> = [("#[ign", "ore"), ("todo", "!("), ("unimplem", "ented!("), ("FIX", "ME")]
        .iter()
        .map(|(a, b)| format!("{a}{b}"))
        .collect();
    for file in tracked_files().into_iter().filter(|file| file.extension().is_some_and(|e| e == "rs")) {
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        for word in &forbidden {
            assert!(!text.contains(word), "{}: `{word}`", file.display());
        }
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
}

/// Names of all packages that a package reaches through normal and build dependencies, itself left out.
/// Macros run on the compiler's side, so what they are made of is not reached.
fn reachable(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let start = metadata.packages.iter().find(|package| package.name.as_str() == name);
    let start = &start.unwrap_or_else(|| panic!("there is no crate `{name}`")).id;
    let mut seen = BTreeSet::from([start]);
    let mut waiting = vec![start];
    while let Some(id) = waiting.pop() {
        if metadata[id].targets.iter().any(|target| target.kind.iter().any(|kind| kind.to_string() == "proc-macro")) {
            continue;
        }
        for dependency in &nodes[id].deps {
            let is_used = dependency
                .dep_kinds
                .iter()
                .any(|kind| matches!(kind.kind, DependencyKind::Normal | DependencyKind::Build));
            if is_used && seen.insert(&dependency.pkg) {
                waiting.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().filter(|id| *id != start).map(|id| metadata[id].name.to_string()).collect()
}

/// Of this platform's dependencies only: what other platforms need may never have been downloaded here.
fn metadata() -> Metadata {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(rustc.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let options = ["--locked", "--offline", "--filter-platform", host].map(str::to_owned);
    MetadataCommand::new().current_dir(root()).other_options(options).exec().unwrap()
}

/// What git tracks, so that build outputs and editors' files do not count.
fn tracked_files() -> Vec<PathBuf> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "git does not answer");
    let text = String::from_utf8(output.stdout).unwrap();
    let files: Vec<PathBuf> = text
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .filter(|file| root().join(file).exists())
        .collect();
    assert!(!files.is_empty(), "git tracks nothing here");
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
