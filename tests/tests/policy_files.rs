//! `--policies`: what a folder of policies changes, and where its mistakes are.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use stateward_tests::{guests, root, stateward};

const SET: &str = include_str!("../cli/inputs/set.yaml");

/// A folder with policies, and one with the set that they judge.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new(policies: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/policies.yaml"), policies).unwrap();
        fs::write(folder.path().join("set.yaml"), SET).unwrap();
        Self { folder }
    }

    fn check(&self) -> Output {
        let mut command = Command::new(stateward());
        command.args(["check", "set.yaml", "-o", "json", "--policies", "policies"]);
        command.current_dir(self.folder.path()).env("STATEWARD_CACHE_DIR", self.folder.path().join("cache"));
        command.output().unwrap()
    }

    /// The action of the one finding, and the exit code.
    #[track_caller]
    fn expect(&self, action: Option<&str>, code: i32) {
        let output = self.check();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let actions: Vec<&str> =
            report["results"].as_array().unwrap().iter().map(|result| result["action"].as_str().unwrap()).collect();
        assert_eq!((actions, output.status.code()), (action.into_iter().collect(), Some(code)), "{}", errors(&output));
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: stateward.dev/v1alpha1\nkind: WasmPolicy\nmetadata:\n  name: {name}\nspec:\n  component: builtin:stateful\n{spec}---\n"
    )
}

const ZERO_GRACE: &str = "  rules: [ordered-identity/zero-grace]\n";

#[test]
fn only_the_folders_policies_are_in_force() {
    World::new(&policy("a", ZERO_GRACE)).expect(Some("Deny"), 1);
    World::new(&policy("a", "  rules: [ordered-identity/name-too-long]\n")).expect(None, 0);
    World::new(&policy("a", "  rules: [manager-writes/declare-writes]\n")).expect(None, 5);
}

#[test]
fn mode_and_actions_lower_a_denial() {
    World::new(&policy("a", &format!("{ZERO_GRACE}  mode: Warn\n"))).expect(Some("Warn"), 0);
    World::new(&policy("a", &format!("{ZERO_GRACE}  actions: {{ordered-identity/zero-grace: Audit}}\n")))
        .expect(Some("Audit"), 0);
    World::new(&policy("a", &format!("{ZERO_GRACE}  actions: {{ordered-identity/zero-grace: Off}}\n"))).expect(None, 5);
    World::new(&policy(
        "a",
        &format!("{ZERO_GRACE}  match: {{objectSelector: {{matchLabels: {{judged: nobody}}}}}}\n"),
    ))
    .expect(None, 5);
}

#[test]
fn an_exemption_turns_a_denial_into_audit() {
    let exemption = |expires: jiff::Timestamp| {
        format!(
            "apiVersion: stateward.dev/v1alpha1\nkind: PolicyExemption\nmetadata: {{name: e, namespace: shop}}\nspec:\n  rules: [ordered-identity/*]\n  names: [orders]\n  reason: until the next release\n  expires: {expires}\n"
        )
    };
    let now = jiff::Timestamp::now();
    let days = |days: i64| now + jiff::SignedDuration::from_hours(24 * days);
    World::new(&(policy("a", ZERO_GRACE) + &exemption(days(30)))).expect(Some("Audit"), 0);
    World::new(&(policy("a", ZERO_GRACE) + &exemption(days(-1)))).expect(Some("Deny"), 1);
    let too_long = World::new(&(policy("a", ZERO_GRACE) + &exemption(days(200))));
    too_long.expect(Some("Deny"), 3);
    assert!(errors(&too_long.check()).contains("is more than 90 days away"));
    let over = World::new(&(policy("a", ZERO_GRACE) + &exemption(days(-1)))).check();
    assert!(errors(&over).contains("warning: policies/policies.yaml:"), "{}", errors(&over));
    let misspelt = exemption(days(30)).replace("ordered-identity/*", "ordered-identity/zero-gracee");
    let misspelt = World::new(&(policy("a", ZERO_GRACE) + &misspelt));
    misspelt.expect(Some("Deny"), 3);
    assert!(errors(&misspelt.check()).contains("hint: did you mean `ordered-identity/zero-grace`?"));
}

/// What is wrong with one policy is said with file, line, column and field; the others are in force all the same.
#[test]
fn mistakes_are_named_by_file_line_and_field() {
    let good = policy("good", ZERO_GRACE);
    for (spec, expected) in [
        ("  mode: Enforced\n", "policies/policies.yaml:15:9: `spec.mode`: unknown variant `Enforced`"),
        ("  rule: [a]\n", "policies/policies.yaml:15:9: unknown field `spec.rule`"),
        ("  rules: [ordered-identity/zero-grief]\n", "policies/policies.yaml:15:11: `spec.rules[0]`"),
        (
            "  actions:\n    ordered-identity/zero-grief: Deny\n",
            "policies/policies.yaml:16:34: `spec.actions[ordered-identity/zero-grief]`",
        ),
        ("  limits:\n    timeout: soon\n", "policies/policies.yaml:16:14: `spec.limits.timeout`"),
        (
            "  match:\n    matchConditions:\n    - {name: x, expression: \"object.spec.(\"}\n",
            "policies/policies.yaml:17:29: `spec.match.matchConditions[0].expression`",
        ),
        ("  settings:\n    noSuchSetting: 1\n", "policies/policies.yaml:16:20: `spec.settings.noSuchSetting`"),
        (
            "  rules: [remote-volumes/*]\n  settings:\n    controllerAccounts: {add: [a]}\n",
            "policies/policies.yaml:17:25: `spec.settings.controllerAccounts`: no rule of this policy reads",
        ),
        (
            "  settings:\n    localDrivers:\n      remove: [nonesuch.example.com]\n",
            "policies/policies.yaml:17:16: `spec.settings.localDrivers.remove[0]`: `nonesuch.example.com` is not on the built-in list",
        ),
    ] {
        let world = World::new(&(good.clone() + &policy("bad", spec)));
        let said = errors(&world.check());
        assert!(said.contains(expected), "{spec}: {said}");
        world.expect(Some("Deny"), 3);
    }
}

/// The component beside the policy's file, wherever `check` is called from.
#[test]
fn components_load_from_files() {
    let name =
        guests::names().unwrap().into_iter().find(|name| name == "good").unwrap_or_else(|| panic!("no guest `good`"));
    let world = World::new(&policy("mine", "").replace("builtin:stateful", "file:rules.wasm"));
    let output = world.check();
    assert_eq!(output.status.code(), Some(3));
    assert!(errors(&output).contains("policies/policies.yaml:6:14: `spec.component`"), "{}", errors(&output));
    fs::write(world.folder.path().join("policies/rules.wasm"), guests::component(&name).unwrap()).unwrap();
    let output = world.check();
    assert_ne!(output.status.code(), Some(3), "{}", errors(&output));
}

/// A folder that is not there is a slip of the pen, not an empty one.
#[test]
fn a_policy_without_a_folder_is_an_error() {
    let output = Command::new(stateward())
        .args(["check", "--policies", "none", path(&root().join("deploy/examples/accepted"))])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
