//! Guests that misbehave in `mutate`.

use std::time::Instant;

use serde_json::json;
use stateward_core::admit;

use crate::harness::{BAD, NEIGHBOUR, PATIENCE, facts, no_services, policy, request, runtime, set, tell};

/// What becomes of the request, and what its object looks like afterwards. The neighbour must have made its change.
fn change_beside_neighbour(guest: &str) -> String {
    let mut told = String::new();
    runtime(2).block_on(async {
        for failure_policy in ["Fail", "Ignore"] {
            let bad = json!({ "failurePolicy": failure_policy, "rules": ["guest/changes"], "limits": { "timeout": "100ms" } });
            let good = json!({ "rules": ["guest/changes"] });
            let set = set(&[policy(BAD, guest, &bad), policy(NEIGHBOUR, "good", &good)]).await;
            let started = Instant::now();
            let verdict = admit::mutate(&set, &request(), &facts(PATIENCE, no_services())).await;
            assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
            let object = verdict.object.as_deref().unwrap();
            assert!(object.contains(r#""annotations":{"guest":"was here"}"#), "{object}");
            let changes: Vec<_> = verdict.changes.iter().map(|change| change.policy.as_str()).collect();
            assert_eq!(changes, [NEIGHBOUR]);
            tell(&mut told, failure_policy, &verdict);
        }
    });
    told
}

#[test]
fn endless_loop_in_mutate() {
    insta::assert_snapshot!(change_beside_neighbour("endless_loop_in_mutate"), @r#"
    Fail: allowed
      warning: policy `bad` did not finish within 100 ms; it was not enforced
      failure: bad timeout
    Ignore: allowed
      warning: policy `bad` did not finish within 100 ms; it was not enforced
      failure: bad timeout
    "#);
}

#[test]
fn invalid_patch() {
    insta::assert_snapshot!(change_beside_neighbour("invalid_patch"), @r#"
    Fail: allowed
      warning: policy `bad` gave a bad answer: its change for `guest/changes`: operation 0 of the JSON Patch, at `/no/where`, does not apply: path is invalid; it was not enforced
      failure: bad bad_answer
    Ignore: allowed
      warning: policy `bad` gave a bad answer: its change for `guest/changes`: operation 0 of the JSON Patch, at `/no/where`, does not apply: path is invalid; it was not enforced
      failure: bad bad_answer
    "#);
}

#[test]
fn not_json_patch() {
    insta::assert_snapshot!(change_beside_neighbour("not_json_patch"), @r#"
    Fail: allowed
      warning: policy `bad` gave a bad answer: its change for `guest/changes`: the merge patch cannot be read: expected value at line 1 column 1; it was not enforced
      failure: bad bad_answer
    Ignore: allowed
      warning: policy `bad` gave a bad answer: its change for `guest/changes`: the merge patch cannot be read: expected value at line 1 column 1; it was not enforced
      failure: bad bad_answer
    "#);
}
