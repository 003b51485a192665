//! The dashboard, the alerts and their runbooks: they ask for metrics that the server has, each alert says what to do, and promtool finds nothing wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use stateward_manifests::read_data_text;
use stateward_server::Metrics;
use stateward_tests::{root, skip};

#[test]
fn what_is_asked_for_exists() {
    let known = series();
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter().map(|variable| &variable["definition"]);
    let mut expressions: Vec<String> = variables.filter_map(Value::as_str).map(str::to_owned).collect();
    expressions.extend(shown(&dashboard));
    expressions.extend(alerts().iter().map(|alert| text(&alert["expr"])));
    let mut missing = BTreeSet::new();
    for expression in &expressions {
        let mut labels: BTreeSet<&str> = OF_TARGETS.into();
        for (metric, selected) in metrics(expression) {
            let Some(of_metric) = known.get(metric) else {
                missing.insert(format!("`{metric}` in `{expression}`"));
                continue;
            };
            labels.extend(of_metric.iter().map(String::as_str));
            let unknown =
                selected.into_iter().filter(|label| !of_metric.contains(*label) && !OF_TARGETS.contains(label));
            missing.extend(unknown.map(|label| format!("`{label}` of `{metric}` in `{expression}`")));
        }
        let grouped = grouped_by(expression).into_iter().filter(|label| !labels.contains(label));
        missing.extend(grouped.map(|label| format!("`{label}` in `{expression}`")));
    }
    let missing: Vec<String> = missing.into_iter().collect();
    assert!(missing.is_empty(), "the server has no\n{}", missing.join("\n"));
}

#[test]
fn the_readme_lists_every_metric() {
    let rows = readme();
    let rows = rows.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let listed: BTreeSet<(String, String)> = rows
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, rest)| (name.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned()))
        .collect();
    let text = Metrics::with_every_family().encode().unwrap();
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let registered: BTreeSet<(String, String)> = families
        .map(|(name, kind)| {
            (if kind == "counter" { format!("{name}_total") } else { name.to_owned() }, kind.to_owned())
        })
        .collect();
    assert_eq!(listed, registered);
}

#[test]
fn each_alert_says_what_to_do() {
    let readme = readme();
    let sections: BTreeMap<&str, &str> =
        readme.split("\n### ").skip(1).filter_map(|section| section.split_once('\n')).collect();
    let alerts = alerts();
    for alert in &alerts {
        let name = text(&alert["alert"]);
        for (place, field) in [("", "expr"), ("", "for"), ("annotations", "summary"), ("annotations", "description")] {
            let of = if place.is_empty() { alert } else { &alert[place] };
            assert!(!text(&of[field]).is_empty(), "{name} has no {field}");
        }
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{name}");
        // As it is written in a heading's link.
        let runbook = format!("{FOLDER}/README.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook"], runbook, "{name}");
        let section = sections.get(name.as_str()).unwrap_or_else(|| panic!("the README has no `### {name}`"));
        for part in ["**Means**", "**Look**", "**Mend**"] {
            assert!(section.contains(part), "`### {name}` has no {part}");
        }
    }
    let names: BTreeSet<String> = alerts.iter().map(|alert| text(&alert["alert"])).collect();
    assert_eq!(sections.into_keys().map(str::to_owned).collect::<BTreeSet<_>>(), names);
}

#[test]
fn each_alert_is_seen_to_fire_and_not_to() {
    let tests = read("rules-test.yaml");
    let cases =
        || tests["tests"].as_array().unwrap().iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap());
    for alert in alerts() {
        let fires: BTreeSet<bool> = cases()
            .filter(|case| case["alertname"] == alert["alert"])
            .map(|case| case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty()))
            .collect();
        assert_eq!(fires, [false, true].into(), "{}", alert["alert"]);
    }
}

#[test]
fn as_many_replicas_are_wanted_as_are_installed() {
    let deployment = fs::read_to_string(root().join("deploy/base/deployment.yaml")).unwrap();
    let replicas = deployment.lines().find_map(|line| line.strip_prefix("  replicas: ")).unwrap();
    let alert = alerts().into_iter().find(|alert| alert["alert"] == "StatewardReplicasMissing").unwrap();
    assert!(text(&alert["expr"]).ends_with(&format!("< {replicas}")), "{}", alert["expr"]);
}

#[test]
fn each_panel_says_what_it_shows() {
    let dashboard = dashboard();
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        let title = text(&panel["title"]);
        assert!(!title.is_empty(), "a panel has no title: {panel}");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is another one's");
        if panel["type"] == "row" {
            continue;
        }
        assert!(titles.insert(title.clone()), "two panels are called {title}");
        assert!(!text(&panel["description"]).is_empty(), "{title} has no description");
        assert!(!text(&panel["fieldConfig"]["defaults"]["unit"]).is_empty(), "{title} has no unit");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title} asks for nothing");
        for asked in [panel].into_iter().chain(targets) {
            assert_eq!(asked["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}

#[test]
fn promtool_finds_nothing_wrong() {
    let Some(promtool) = promtool() else { return };
    run(&promtool, &["check", "rules", "alerts.yaml"]);
    run(&promtool, &["test", "rules", "rules-test.yaml"]);
    // What the dashboard asks, as rules: promtool of Debian 12 has no other way to read an expression.
    let rule = |(at, expression): (usize, String)| json!({ "record": format!("dashboard:{at}"), "expr": expression.replace("$__rate_interval", "5m") });
    let rules: Vec<Value> = shown(&dashboard()).into_iter().enumerate().map(rule).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.yaml");
    // JSON is YAML.
    fs::write(&file, json!({ "groups": [{ "name": "dashboard", "rules": rules }] }).to_string()).unwrap();
    run(&promtool, &["check", "rules", file.to_str().unwrap()]);
}

/// Every series' name as Prometheus stores it, with its labels.
fn series() -> BTreeMap<String, BTreeSet<String>> {
    let text = Metrics::with_every_family().encode().unwrap();
    let mut series: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(labels, _)| labels);
        let labels = labels.unwrap_or_default().split(',').filter_map(|label| label.split_once('='));
        series.entry(name.to_owned()).or_default().extend(labels.map(|(label, _)| label.to_owned()));
    }
    assert!(series.len() > 20, "{series:?}");
    series
}

/// Our metrics in an expression, each with the labels that it is selected by.
fn metrics(expression: &str) -> Vec<(&str, Vec<&str>)> {
    let starts = expression.match_indices(PREFIX).map(|(at, _)| &expression[at..]);
    starts
        .map(|from_here| {
            let end = from_here.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(from_here.len());
            let (name, rest) = from_here.split_at(end);
            let selector = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(selector, _)| selector);
            let matchers = selector.unwrap_or_default().split(',').filter_map(|matcher| matcher.split_once(['=', '!']));
            (name, matchers.map(|(label, _)| label.trim()).collect())
        })
        .collect()
}

/// The labels of each `by (..)` and `on (..)`.
fn grouped_by(expression: &str) -> Vec<&str> {
    let lists = [" by (", " on ("].into_iter().flat_map(|word| expression.split(word).skip(1));
    let lists = lists.filter_map(|rest| rest.split_once(')'));
    lists.flat_map(|(list, _)| list.split(',')).map(str::trim).collect()
}

/// All that the panels ask for.
fn shown(dashboard: &Value) -> Vec<String> {
    let targets = panels(dashboard).iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions: Vec<String> = targets.map(|target| text(&target["expr"])).collect();
    assert!(expressions.len() > 20 && expressions.iter().all(|expression| !expression.is_empty()));
    expressions
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

fn dashboard() -> Value {
    read("stateward.json")
}

fn alerts() -> Vec<Value> {
    let groups = read("alerts.yaml")["groups"].as_array().unwrap().clone();
    let alerts: Vec<Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    alerts
}

fn readme() -> String {
    fs::read_to_string(root().join(FOLDER).join("README.md")).unwrap()
}

fn read(name: &str) -> Value {
    let files = read_data_text(name, fs::read_to_string(root().join(FOLDER).join(name)).unwrap());
    assert!(files.errors.is_empty() && files.documents.len() == 1, "{name}: {:?}", files.errors);
    files.documents[0].value()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn promtool() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join("promtool"));
    let promtool = installed.chain([root().join("target/promtool")]).find(|program| program.is_file());
    if promtool.is_none() {
        skip(
            "dashboards",
            "there is no promtool; Debian has it in the package `prometheus`, which `cargo xtask test` fetches",
        );
    }
    promtool
}

fn run(promtool: &Path, arguments: &[&str]) {
    let output = Command::new(promtool).args(arguments).current_dir(root().join(FOLDER)).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success(), "promtool {}\n{said}", arguments.join(" "));
}

const FOLDER: &str = "deploy/dashboards";

/// Of every metric of ours.
const PREFIX: &str = "stateward_";

/// What a scrape adds to every series, and a Prometheus of several clusters.
const OF_TARGETS: [&str; 4] = ["cluster", "namespace", "pod", "job"];
