//! What the command prints, as transcripts in `tests/cli`: exit code, stdout and stderr.

use stateward_tests::{root, stateward};

#[test]
fn transcripts() {
    // Paths in transcripts are those of a reader who stands in the repository.
    std::env::set_current_dir(root()).unwrap();
    let cache = tempfile::tempdir().unwrap();
    trycmd::TestCases::new()
        .register_bin("stateward", stateward().as_path())
        .env("STATEWARD_CACHE_DIR", cache.path().to_string_lossy())
        .env("NO_COLOR", "1")
        .case("tests/cli/*.md");
}

/// Here and not in a transcript: trycmd takes the backslashes of JSON for those of paths.
#[test]
fn sarif_describes_the_rules_that_occur() {
    let cache = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(stateward())
        .args(["check", "-o", "sarif", "--only-failures", "tests/cli/inputs/set.yaml"])
        .current_dir(root())
        .env("STATEWARD_CACHE_DIR", cache.path())
        .output()
        .unwrap();
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

/// Here and not in a transcript: an exemption may end in at most 90 days, so no file can hold one that is in force.
#[test]
fn exemptions_are_told_beside_what_they_do() {
    let ends =
        (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(30 * 24)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let folder = tempfile::tempdir().unwrap();
    let policy = "apiVersion: stateward.dev/v1alpha1\nkind: WasmPolicy\nmetadata: {name: all}\nspec: {component: builtin:stateful, profile: strict}\n";
    let mut file = policy.to_owned();
    for (name, rules, names, ends) in [
        ("used", "remote-volumes/shared-claim, remote-volumes/no-claim-template", "carts", ends.as_str()),
        ("covered-already", "remote-volumes/shared-claim", "carts", &ends),
        ("no-finding", "ordered-identity/zero-grace", "carts", &ends),
        ("no-object", "remote-volumes/shared-claim", "ledger", &ends),
        ("undecided", "ordered-identity/missing-service", "carts", &ends),
        ("asked-of-changes", "ordered-identity/orphaning-delete", "carts", &ends),
        ("not-ours", "ours/rule", "carts", &ends),
        ("fixed", "manager-writes/forged-role", "carts", &ends),
        ("over", "remote-volumes/shared-claim", "carts", "2026-01-01T00:00:00Z"),
        ("pattern", "remote-volumes/shared-claim", "carts-*", &ends),
    ] {
        file.push_str(&format!(
            "---\napiVersion: stateward.dev/v1alpha1\nkind: PolicyExemption\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{rules: [{rules}], names: [\"{names}\"], reason: a test, expires: \"{ends}\"}}\n"
        ));
    }
    std::fs::write(folder.path().join("policies.yaml"), file).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(stateward())
            .args(arguments)
            .args(["deploy/examples/refused/shared-volume.yaml", "--policies"])
            .arg(folder.path())
            .current_dir(root())
            .env("STATEWARD_CACHE_DIR", cache.path())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (_, said) = run(&["report", "exemptions"]);
    insta::assert_snapshot!(said.replace(&ends, "IN 30 DAYS          "));
    // The same exemptions in the report of findings.
    let [(_, alone), (_, beside)] = [run(&["report", "exemptions", "-o", "json"]), run(&["audit", "-o", "json"])];
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let (alone, beside) = (read(&alone), read(&beside));
    assert_eq!(alone["exemptions"], beside["exemptions"]);
    let counted = |exemption: &serde_json::Value| exemption["counts"]["exempted"].as_u64().unwrap();
    let exempted: u64 = alone["exemptions"].as_array().unwrap().iter().map(counted).sum();
    let noted = beside["results"].as_array().unwrap().iter().filter(|result| result.get("exemption").is_some());
    assert_eq!(exempted, noted.count() as u64);
}
