//! What rules repair: after it they have nothing more to say there, and no rule has anything worse.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use stateward_cases::{Admitted, Runner};
use stateward_core::admit::{Route, validate};
use stateward_core::manifest::Action;
use stateward_core::patch;
use stateward_core::request::Request;
use stateward_core::verdict::{Ruling, Verdict};
use stateward_native::NativeBinder;
use stateward_rules_tests::{block_on, case_files, default_policies};

#[test]
fn a_remedy_ends_its_finding_and_begins_none() {
    let files = case_files();
    let binder = NativeBinder::default();
    let runner = block_on(Runner::new(default_policies(), &binder)).unwrap();
    let (mut wrong, mut repaired) = (Vec::new(), BTreeMap::<String, usize>::new());
    for (file, case) in files.files.iter().flat_map(|file| file.cases.iter().map(move |case| (file, case))) {
        for &profile in &case.profiles {
            let Ok(admitted) = block_on(runner.admit(file, case, profile)) else { continue };
            for ruling in admitted.verdict.rulings.iter().filter(|ruling| ruling.remedy.is_some()) {
                *repaired.entry(ruling.rule.clone()).or_default() += 1;
                let place = format!("{}:{}: {}", file.data.file, case.position.line, ruling.rule);
                wrong.extend(complaints(&admitted, ruling).into_iter().map(|why| format!("{place}: {why}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let rules: Vec<&str> = repaired.keys().map(String::as_str).collect();
    assert_eq!(rules, REPAIRING, "a rule with a remedy has a case that shows it");
}

fn complaints(admitted: &Admitted, ruling: &Ruling) -> Vec<String> {
    let Admitted { policies, facts, request, verdict } = admitted;
    let judge = |object: String| {
        let request = Request { object: Some(object.into()), ..request.clone() };
        block_on(validate(policies, &request, Route::All, facts))
    };
    let object = request.object.as_deref().unwrap();
    let mut repaired = serde_json::from_str(object).unwrap();
    if let Err(error) = patch::apply(&mut repaired, ruling.remedy.as_ref().unwrap()) {
        return vec![format!("does not apply: {error}")];
    }
    let (known, after) = (said(verdict), judge(repaired.to_string()));
    let mut wrong = Vec::new();
    for (rule, place, action) in said(&after) {
        if (&rule, &place) == (&ruling.rule, &ruling.place) {
            wrong.push("says the same again".to_owned());
        } else if !known.iter().any(|known| (&known.0, &known.1) == (&rule, &place) && known.2 >= action) {
            wrong.push(format!("now {rule} says something of {place}"));
        }
    }
    wrong
}

fn said(verdict: &Verdict) -> BTreeSet<(String, String, Action)> {
    verdict.rulings.iter().map(|ruling| (ruling.rule.clone(), ruling.place.clone(), ruling.action)).collect()
}

/// Every rule that knows one right answer.
const REPAIRING: [&str; 10] = [
    "manager-writes/manager-data-loss",
    "operations/blocking-budget",
    "ordered-identity/batch-update",
    "ordered-identity/hostname-override",
    "ordered-identity/recreate-update",
    "ordered-identity/short-grace",
    "ordered-identity/zero-grace",
    "remote-volumes/delete-on-scale-down",
    "remote-volumes/delete-with-set",
    "remote-volumes/incomplete-claim",
];
