//! What the component says of its rules, and what no manifest may say. Rows and actions are those of the rules' table.

use std::collections::BTreeSet;

use stateward_sdk::bindings::stateward::policy::types::{Action, Operation, Rule, RuleKind};
use stateward_stateful::describe;

#[test]
fn rules_are_those_of_the_table() {
    let rules: Vec<_> = describe()
        .rules
        .into_iter()
        .map(|rule| {
            let mut subjects: Vec<_> = rule
                .subjects
                .iter()
                .map(|subject| {
                    let (resource, sub) = (&subject.resource.resource, &subject.resource.subresource);
                    if sub.is_empty() { resource.clone() } else { format!("{resource}/{sub}") }
                })
                .collect();
            subjects.dedup();
            let reads: Vec<_> =
                rule.reads.iter().map(|read| read.kind.kind.clone() + if read.live { "!" } else { "" }).collect();
            let action = |action| match action {
                Action::Off => '-',
                Action::Audit => 'A',
                Action::Warn => 'W',
                Action::Deny => 'D',
                Action::Apply => 'M',
            };
            let fixed = if rule.fixed { "F" } else { "" };
            let compares = if rule.compares { "Δ" } else { "" };
            format!(
                "{}{fixed}{compares} {}{} {} [{}]",
                rule.id,
                action(rule.baseline),
                action(rule.strict),
                subjects.join(" "),
                reads.join(" ")
            )
        })
        .collect();
    assert_eq!(
        rules,
        [
            "ordered-identity/parallel-management AD statefulsets []",
            "ordered-identity/no-readiness-gate WD statefulsets statefulsets/scale [StatefulSet]",
            "ordered-identity/unready-dns AW statefulsets [Service]",
            "ordered-identity/on-delete-update AW statefulsets []",
            "ordered-identity/frozen-partition WW statefulsets []",
            "ordered-identity/batch-update WD statefulsets []",
            "ordered-identity/recreate-update WD statefulsets []",
            "ordered-identity/zero-grace DD statefulsets []",
            "ordered-identity/short-grace AW statefulsets []",
            "ordered-identity/unordered-delete WD statefulsets []",
            "ordered-identity/orphaning-delete WW statefulsets []",
            "ordered-identity/force-delete WD pods pods/eviction [Pod]",
            "ordered-identity/stalled-rolloutΔ AW statefulsets []",
            "ordered-identity/name-too-long DD statefulsets []",
            "ordered-identity/name-not-label DD statefulsets []",
            "ordered-identity/generated-name DD statefulsets []",
            "ordered-identity/ordinal-like-name AW statefulsets []",
            "ordered-identity/shifted-ordinals AW statefulsets []",
            "ordered-identity/hostname-override WD statefulsets []",
            "ordered-identity/host-network WD statefulsets []",
            "ordered-identity/pinned-node WD statefulsets []",
            "ordered-identity/overlapping-selector WD statefulsets [StatefulSet]",
            "ordered-identity/foreign-ownerΔ DD statefulsets/status []",
            "ordered-identity/reserved-keys DD statefulsets []",
            "ordered-identity/no-service-name WD statefulsets statefulsets/scale [StatefulSet]",
            "ordered-identity/missing-service AW statefulsets [Service]",
            "ordered-identity/not-headless WD statefulsets statefulsets/scale [Service StatefulSet]",
            "ordered-identity/dead-service WD statefulsets [Service]",
            "ordered-identity/service-removed WD services [StatefulSet]",
            "remote-volumes/no-claim-template AD statefulsets []",
            "remote-volumes/ephemeral-data WD statefulsets []",
            "remote-volumes/host-path-data DD statefulsets []",
            "remote-volumes/ephemeral-claim WD statefulsets []",
            "remote-volumes/shared-claim DD statefulsets statefulsets/scale [StatefulSet]",
            "remote-volumes/unscalable-claim WW statefulsets statefulsets/scale [StatefulSet]",
            "remote-volumes/shared-access-mode WD statefulsets []",
            "remote-volumes/incomplete-claim DD statefulsets []",
            "remote-volumes/unmounted-claim WD statefulsets []",
            "remote-volumes/duplicate-claim DD statefulsets []",
            "remote-volumes/shadowed-volume AW statefulsets []",
            "remote-volumes/volume-mode-mismatch DD statefulsets []",
            "remote-volumes/cloned-source AW statefulsets []",
            "remote-volumes/pinned-volume WD statefulsets []",
            "remote-volumes/claim-collision DD statefulsets [StatefulSet PersistentVolumeClaim]",
            "remote-volumes/delete-with-set WD statefulsets []",
            "remote-volumes/delete-on-scale-down WD statefulsets []",
            "remote-volumes/claim-in-use WD persistentvolumeclaims [StatefulSet]",
            "remote-volumes/squatted-claim WD persistentvolumeclaims [StatefulSet]",
            "remote-volumes/local-class WD statefulsets [StorageClass]",
            "remote-volumes/unknown-driver AW statefulsets [StorageClass]",
            "remote-volumes/degraded-remote-class WW statefulsets [StorageClass]",
            "remote-volumes/missing-class WD statefulsets [StorageClass]",
            "remote-volumes/static-only-class WD statefulsets []",
            "remote-volumes/default-class AW statefulsets []",
            "remote-volumes/reclaim-delete AW statefulsets [StorageClass]",
            "remote-volumes/immediate-binding WW statefulsets [StorageClass]",
            "remote-volumes/fixed-size-class AW statefulsets [StorageClass]",
            "remote-volumes/file-system-database AW statefulsets [StorageClass]",
            "remote-volumes/local-claim WD persistentvolumeclaims [StorageClass PersistentVolume]",
            "remote-volumes/pin-classΔ -- statefulsets [StorageClass]",
            "manager-writes/undeclared-writes AD statefulsets statefulsets/scale [StatefulSet]",
            "manager-writes/invalid-contract DD statefulsets []",
            "manager-writes/forged-roleF DD statefulsets pods [StatefulSet!]",
            "manager-writes/unbound-podF DD pods [StatefulSet!]",
            "manager-writes/missing-roleF DD pods [StatefulSet]",
            "manager-writes/rival-claimF DD pods [StatefulSet Pod!]",
            "manager-writes/second-managerF DD pods [StatefulSet! Pod!]",
            "manager-writes/adopted-podFΔ DD pods statefulsets [StatefulSet! Pod!]",
            "manager-writes/role-changeFΔ DD pods pods/status pods/binding bindings statefulsets statefulsets/status [StatefulSet]",
            "manager-writes/contract-changeFΔ DD statefulsets statefulsets/status [Pod!]",
            "manager-writes/moved-managerFΔ DD statefulsets [Pod!]",
            "manager-writes/parallel-manager DD statefulsets []",
            "manager-writes/shared-data DD statefulsets []",
            "manager-writes/manager-data-loss DD statefulsets []",
            "manager-writes/unstamped-members AW statefulsets [Pod!]",
            "manager-writes/undeclared-sync WD statefulsets statefulsets/scale [StatefulSet]",
            "manager-writes/mixed-service DD statefulsets services [Service StatefulSet]",
            "manager-writes/no-write-service AW statefulsets [Service]",
            "manager-writes/write-service-changedΔ WD services [StatefulSet]",
            "manager-writes/manager-delete WD pods pods/eviction [Pod! StatefulSet]",
            "manager-writes/scaled-to-zero WW statefulsets statefulsets/scale [StatefulSet]",
            "manager-writes/declare-writes -M statefulsets []",
            "manager-writes/stamp-setF MM statefulsets []",
            "manager-writes/stamp-podF MM pods [StatefulSet!]",
            "workload-kind/rolling-claim WD deployments replicasets [PersistentVolumeClaim]",
            "workload-kind/replicated-claim DD deployments deployments/scale replicasets replicasets/scale [PersistentVolumeClaim Deployment ReplicaSet]",
            "workload-kind/database-image AW deployments replicasets pods []",
            "workload-kind/foreign-claim DD deployments replicasets pods [StatefulSet Pod!]",
            "operations/no-backup-intent AW statefulsets []",
            "operations/backup-of-missing-volume WD statefulsets []",
            "operations/excluded-data WW statefulsets []",
            "operations/no-spread AW statefulsets statefulsets/scale [StatefulSet]",
            "operations/ineffective-spread WW statefulsets []",
            "operations/no-disruption-budget AW statefulsets statefulsets/scale [PodDisruptionBudget StatefulSet]",
            "operations/blocking-budget WW poddisruptionbudgets [StatefulSet]",
            "operations/no-owner -A statefulsets []",
            "operations/profile-loweredΔ WD namespaces namespaces/status namespaces/finalize []",
        ]
    );
}

/// Where it cannot decide, too. Two are asked about the pods of sets that nobody governs, and nobody is to wait for that.
fn refuses(rule: &Rule) -> bool {
    let unawaited = ["manager-writes/missing-role", "manager-writes/rival-claim"];
    rule.fixed && rule.kind == RuleKind::Validate && !unawaited.contains(&rule.id.as_str())
}

#[test]
fn every_rule_is_described() {
    let manifest = describe();
    let ids: BTreeSet<_> = manifest.rules.iter().map(|rule| &rule.id).collect();
    assert_eq!(ids.len(), manifest.rules.len());
    for rule in &manifest.rules {
        assert!(!rule.title.is_empty() && !rule.category.is_empty(), "{}", rule.id);
        assert!(rule.description.len() > 80 && !rule.description.contains("  "), "{}: {}", rule.id, rule.description);
        for subject in &rule.subjects {
            assert!(!subject.operations.is_empty());
            assert!(subject.condition.as_ref().is_none_or(|condition| condition.len() <= 1024));
            // Contract rules refuse where they cannot decide; what changes never refuses. What rules about changes say of a new set is said early, and
            // said again, closed, where it counts.
            let is_early = rule.compares
                && subject.operations == [Operation::Create]
                && subject.resource.resource == "statefulsets";
            assert_eq!(subject.fail_closed, refuses(rule) && !is_early, "{}", rule.id);
        }
        let refuses = refuses(rule);
        assert_eq!(rule.when_undecided, if refuses { Action::Deny } else { Action::Audit }, "{}", rule.id);
    }
}

/// A reader looks up what is named there: a bare number could be any project's.
#[test]
fn descriptions_are_sentences_and_say_whose_issues_they_mean() {
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let is_project = |name: &str| {
        name.split_once('/').is_some_and(|(owner, repository)| !owner.is_empty() && !repository.is_empty())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
    };
    for rule in describe().rules {
        let (id, text) = (&rule.id, &rule.description);
        assert!(text.ends_with('.') && text.split_whitespace().count() >= 20, "{id}: {text}");
        assert!(text.len() <= 4096, "{id}: {} bytes", text.len());
        for (at, _) in text.match_indices('#') {
            let name = text[..at].rsplit([' ', '(']).next().unwrap();
            assert!(is_project(name) && is_number(&text[at + 1..]), "{id}: `{name}#` names no project's issue");
        }
        for (word, start) in [("issue ", false), ("KEP-", true)] {
            for (at, _) in text.match_indices(word) {
                assert_eq!(is_number(&text[at + word.len()..]), start, "{id}: write `owner/repository#12` or `KEP-12`");
            }
        }
    }
}

/// `UPDATE_SCHEMA=1` writes it anew.
#[test]
fn the_committed_schema_is_that_of_the_types() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/settings.schema.json");
    let schema = stateward_stateful::settings_schema();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(file, &schema).unwrap();
    }
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let committed = std::fs::read_to_string(file).unwrap();
    assert_eq!(parsed(&committed), parsed(&schema), "settings changed: run this test with UPDATE_SCHEMA=1");
}

#[test]
fn settings_of_all_families_are_one_schema() {
    let schema: serde_json::Value = serde_json::from_str(&describe().settings_schema).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    let properties: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(
        properties,
        [
            "backupAccounts",
            "controllerAccounts",
            "dataPaths",
            "databaseImages",
            "localDrivers",
            "ownerKeys",
            "readOnlyServiceNames",
            "remoteDrivers",
            "restorers",
            "stampEnvironment",
            "syncNames",
            "trustedUsers",
            "zonalDrivers"
        ]
    );
    let families = |setting: &str| schema["properties"][setting]["x-families"].clone();
    assert_eq!(families("controllerAccounts"), serde_json::json!(["manager-writes"]));
    assert_eq!(families("restorers"), serde_json::json!(["remote-volumes", "manager-writes"]));
}

#[test]
fn settings_are_checked_beyond_their_schema() {
    assert_eq!(stateward_stateful::validate_settings("{}"), Ok(()));
    let errors =
        stateward_stateful::validate_settings(r#"{"localDrivers": {"add": ["x"]}, "remoteDrivers": {"add": ["x"]}}"#)
            .unwrap_err();
    assert!(errors[0].starts_with("/localDrivers/add/0: "), "{errors:?}");
    // Three families read it.
    let errors = stateward_stateful::validate_settings(
        r#"{"databaseImages": {"remove": ["a"]}, "dataPaths": {"remove": ["a"]}}"#,
    );
    assert_eq!(errors.unwrap_err().len(), 2);
    assert!(stateward_stateful::validate_settings(r#"{"restorers": 1}"#).is_err());
}

#[test]
fn every_rule_is_in_its_familys_readme() {
    for rule in describe().rules {
        let (family, name) = rule.id.split_once('/').unwrap();
        let readme = format!("{}/../{family}/README.md", env!("CARGO_MANIFEST_DIR"));
        assert!(
            std::fs::read_to_string(&readme).unwrap().contains(&format!("\n### {name}\n")),
            "{} is not in {readme}",
            rule.id
        );
    }
}
