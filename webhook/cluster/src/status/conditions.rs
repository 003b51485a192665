//! From what every replica says of a policy to its conditions. Pure.

use jiff::Timestamp;
use stateward_core::manifest::profile_version;

use crate::audit::{Audited, Counts, Outcome, Storing};
use crate::crds::status::{AuditStatus, ComponentStatus, Condition, ReplicaStatus, WasmPolicyStatus};
use crate::wanted::StoredPolicy;

/// Every replica enforces the policy as it is written.
pub const READY: &str = "Ready";

/// What is stored was judged, and reports of it are there.
pub const REPORTED: &str = "Reported";

/// What the leader writes. `alive` are the names of our pods, where they are known: the others' entries do not count. Without a scan of this leader's
/// what is said of an older one stays; a policy that was not in force took no part in it.
pub fn summed_up(
    policy: &StoredPolicy,
    alive: Option<&[String]>,
    audited: &Audited,
    now: Timestamp,
) -> WasmPolicyStatus {
    let replicas: Vec<&ReplicaStatus> = policy
        .status
        .replicas
        .iter()
        .filter(|replica| alive.is_none_or(|alive| alive.contains(&replica.name)))
        .collect();
    let current: Vec<&ReplicaStatus> =
        replicas.iter().copied().filter(|replica| replica.generation == policy.generation).collect();
    let waiting = replicas.len() - current.len();
    let refused =
        |part: &str| current.iter().find_map(|replica| replica.errors.get(part).map(|words| (replica, words)));
    let kept = current.iter().any(|replica| replica.enforced && !replica.loaded);

    let settings = match refused(SPEC) {
        Some((_, words)) => said("SettingsValid", "False", "Refused", words.clone()),
        None if current.is_empty() => said("SettingsValid", "Unknown", "NotLoadedYet", NOBODY.to_owned()),
        // Settings are what a component says they are: without one nobody has looked at them.
        None if !current.iter().any(|replica| replica.loaded) => {
            said("SettingsValid", "Unknown", "NotLoaded", "no replica has the component that knows them".to_owned())
        }
        None => said(
            "SettingsValid",
            "True",
            "Valid",
            "the resource and its settings are as the component wants them".to_owned(),
        ),
    };
    let component = match refused(COMPONENT) {
        Some((replica, words)) => said("ComponentLoaded", "False", "NotLoaded", format!("{}: {words}", replica.name)),
        None if current.is_empty() => said("ComponentLoaded", "Unknown", "NotLoadedYet", NOBODY.to_owned()),
        // Of a refused resource nobody says which component it has.
        None if current.iter().all(|replica| replica.digest.is_none()) => {
            said("ComponentLoaded", "Unknown", "NotLoaded", "no replica runs it".to_owned())
        }
        None => said("ComponentLoaded", "True", "Loaded", loaded_words(&current)),
    };
    let ready = match current.iter().find(|replica| !replica.loaded) {
        Some(replica) => {
            let cause = replica.errors.values().next().cloned().unwrap_or_else(|| "it could not be loaded".to_owned());
            let what = if kept { "its last good version stays in force" } else { "it is not enforced" };
            said(READY, "False", if kept { "LastGoodVersion" } else { "NotEnforced" }, format!("{what}: {cause}"))
        }
        None if current.is_empty() => said(READY, "Unknown", "NotLoadedYet", NOBODY.to_owned()),
        None if waiting > 0 => said(
            READY,
            "False",
            "RollingOut",
            format!("{waiting} of {} replicas run an older generation", replicas.len()),
        ),
        None => said(READY, "True", "Enforced", format!("on {} {}", current.len(), plural(current.len(), "replica"))),
    };
    let mut unknown: Vec<&str> = replicas.iter().flat_map(|replica| &replica.unknown).map(String::as_str).collect();
    unknown.sort_unstable();
    unknown.dedup();
    let degraded = if unknown.is_empty() {
        said("Degraded", "False", "AllKnown", "all that its rules look up is known".to_owned())
    } else {
        said("Degraded", "True", "Undecided", format!("rules that look these up are undecided: {}", unknown.join("; ")))
    };

    let before = policy.status.conditions.iter().find(|condition| condition.kind == REPORTED);
    let audit = match audited {
        Audited::Found(outcome) => {
            outcome.policies.get(&policy.name).map(|counts| found(outcome, *counts, policy.status.audit.as_ref()))
        }
        Audited::NotYet | Audited::Failed(_) => policy.status.audit.clone(),
        Audited::Off => None,
    };
    let reported = match audited {
        Audited::Found(outcome) => audit.as_ref().map(|_| reported(outcome)),
        Audited::NotYet => before.cloned(),
        Audited::Failed(why) => Some(said(REPORTED, "False", "ScanFailed", why.clone())),
        Audited::Off => Some(said(REPORTED, "False", "Off", OFF.to_owned())),
    };
    let conditions = [ready, settings, component, degraded]
        .into_iter()
        .chain(reported)
        .map(|next| stamped(next, &policy.status.conditions, policy.generation, now))
        .collect();
    let newest =
        current.iter().find(|replica| replica.loaded).or_else(|| replicas.iter().find(|replica| replica.enforced));
    let is_ready = current.iter().all(|replica| replica.loaded) && !current.is_empty();
    WasmPolicyStatus {
        observed_generation: Some(policy.generation),
        conditions,
        component: newest.and_then(|replica| {
            Some(ComponentStatus { digest: replica.digest.clone()?, version: replica.version.clone()? })
        }),
        // Once: an upgrade of the component must not raise it.
        profile_version: policy
            .status
            .profile_version
            .clone()
            .or_else(|| newest.filter(|_| is_ready).and_then(|replica| profile_version(replica.version.as_deref()?))),
        rule_count: newest.map(|replica| replica.rule_count),
        audit,
        replicas: policy.status.replicas.clone(),
    }
}

/// A scan that finds what the one before found keeps its time, for a day: else every scan were a write for each policy.
fn found(outcome: &Outcome, counts: Counts, before: Option<&AuditStatus>) -> AuditStatus {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let now = AuditStatus {
        last_scan: outcome.at.to_string(),
        objects: number(counts.objects),
        deny: number(counts.deny),
        warn: number(counts.warn),
        audit: number(counts.audit),
        undecided: number(counts.undecided),
        errors: number(counts.errors),
    };
    let is_same = |before: &&AuditStatus| {
        let written: Option<Timestamp> = before.last_scan.parse().ok();
        let is_of_today = written.is_some_and(|written| outcome.at.duration_since(written) < KEPT);
        is_of_today && AuditStatus { last_scan: now.last_scan.clone(), ..(*before).clone() } == now
    };
    before.filter(is_same).cloned().unwrap_or(now)
}

fn reported(outcome: &Outcome) -> Condition {
    let (status, reason, message) = match (&outcome.reports, outcome.unread.first()) {
        (Storing::NotServed, None) => (
            "False",
            "NotServed",
            "what is stored is judged, and no report of it is kept: `openreports.io/v1alpha1` is not served here"
                .to_owned(),
        ),
        (Storing::Unreadable(why) | Storing::Stored(_, Some(why)), _) => ("False", "NotWritten", why.clone()),
        (Storing::NotServed | Storing::Stored(_, None), Some(unread)) => ("False", "NotAllRead", unread.clone()),
        (Storing::Stored(_, None), None) => {
            ("True", "Stored", "every object about which there is something to say has a report".to_owned())
        }
    };
    said(REPORTED, status, reason, message)
}

fn loaded_words(current: &[&ReplicaStatus]) -> String {
    let mut digests: Vec<&str> = current.iter().filter_map(|replica| replica.digest.as_deref()).collect();
    digests.sort_unstable();
    digests.dedup();
    match digests.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("replicas run different components: {}", several.join(", ")),
    }
}

fn said(kind: &str, status: &str, reason: &str, message: String) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        ..Condition::default()
    }
}

/// The time of a condition is that of its last change of status.
fn stamped(next: Condition, before: &[Condition], generation: i64, now: Timestamp) -> Condition {
    let since = before.iter().find(|old| old.kind == next.kind && old.status == next.status);
    let time = since.map_or_else(|| whole_second(now), |old| old.last_transition_time.clone());
    Condition { observed_generation: Some(generation), last_transition_time: time, ..next }
}

/// As the API server writes times.
fn whole_second(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

/// Keys of [`ReplicaStatus::errors`].
pub(crate) const SPEC: &str = "spec";
pub(crate) const COMPONENT: &str = "component";

const OFF: &str = "what is stored is not judged: `--audit-interval` is 0";
const NOBODY: &str = "no replica has read it yet";

/// Who looks at the status alone sees at least once a day that somebody scans. Metrics have each scan.
const KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn replica(name: &str, generation: i64, loaded: bool) -> ReplicaStatus {
        let errors = if loaded { BTreeMap::new() } else { BTreeMap::from([(SPEC.to_owned(), "x".to_owned())]) };
        ReplicaStatus {
            name: name.to_owned(),
            generation,
            loaded,
            enforced: loaded,
            digest: Some("sha256:1".to_owned()),
            version: Some("0.1.0".to_owned()),
            rule_count: 9,
            errors,
            member_seen: false,
            unknown: Vec::new(),
        }
    }

    fn policy(replicas: Vec<ReplicaStatus>) -> StoredPolicy {
        StoredPolicy {
            name: "p".to_owned(),
            uid: "u".to_owned(),
            generation: 2,
            resource: Err(stateward_core::policy::SpecError::new("", "not needed here")),
            status: WasmPolicyStatus { replicas, ..WasmPolicyStatus::default() },
        }
    }

    fn ready(policy: &StoredPolicy, alive: Option<&[String]>) -> (String, String, String) {
        let status = summed_up(policy, alive, &Audited::NotYet, now());
        let Condition { status, reason, message, .. } =
            status.conditions.into_iter().find(|condition| condition.kind == READY).unwrap();
        (status, reason, message)
    }

    fn now() -> Timestamp {
        "2026-11-01T00:00:00.5Z".parse().unwrap()
    }

    #[test]
    fn ready_means_every_living_replica_and_this_generation() {
        let said =
            |status: &str, reason: &str, message: &str| (status.to_owned(), reason.to_owned(), message.to_owned());
        assert_eq!(ready(&policy(vec![]), None), said("Unknown", "NotLoadedYet", NOBODY));
        let all = policy(vec![replica("a", 2, true), replica("b", 2, true)]);
        assert_eq!(ready(&all, None), said("True", "Enforced", "on 2 replicas"));
        let one_behind = policy(vec![replica("a", 2, true), replica("b", 1, true)]);
        assert_eq!(ready(&one_behind, None), said("False", "RollingOut", "1 of 2 replicas run an older generation"));
        assert_eq!(ready(&one_behind, Some(&["a".to_owned()])), said("True", "Enforced", "on 1 replica"));
        let refused = policy(vec![replica("a", 2, true), replica("b", 2, false)]);
        assert_eq!(ready(&refused, None), said("False", "NotEnforced", "it is not enforced: x"));
        let mut kept = replica("b", 2, false);
        kept.enforced = true;
        let kept = policy(vec![kept]);
        assert_eq!(ready(&kept, None), said("False", "LastGoodVersion", "its last good version stays in force: x"));
    }

    #[test]
    fn the_profile_version_is_written_once() {
        let mut policy = policy(vec![replica("a", 2, false)]);
        assert_eq!(summed_up(&policy, None, &Audited::NotYet, now()).profile_version, None, "never Ready");
        policy.status.replicas = vec![replica("a", 2, true)];
        assert_eq!(summed_up(&policy, None, &Audited::NotYet, now()).profile_version.as_deref(), Some("v0.1"));
        policy.status.profile_version = Some("v0.0".to_owned());
        assert_eq!(summed_up(&policy, None, &Audited::NotYet, now()).profile_version.as_deref(), Some("v0.0"));
    }

    #[test]
    fn a_refused_resource_says_nothing_of_its_component() {
        let nobody_runs = ReplicaStatus { digest: None, version: None, ..replica("a", 2, false) };
        let status = summed_up(&policy(vec![nobody_runs]), None, &Audited::NotYet, now());
        let component = status.conditions.iter().find(|condition| condition.kind == "ComponentLoaded").unwrap();
        assert_eq!((component.status.as_str(), component.message.as_str()), ("Unknown", "no replica runs it"));
    }

    #[test]
    fn a_component_that_does_not_load_says_nothing_of_the_settings() {
        let errors = BTreeMap::from([(COMPONENT.to_owned(), "not there".to_owned())]);
        let nobody_has_it = ReplicaStatus { errors, digest: None, version: None, ..replica("a", 2, false) };
        let status = summed_up(&policy(vec![nobody_has_it]), None, &Audited::NotYet, now());
        let settings = status.conditions.iter().find(|condition| condition.kind == "SettingsValid").unwrap();
        let words = "no replica has the component that knows them";
        assert_eq!((settings.status.as_str(), settings.message.as_str()), ("Unknown", words));
    }

    /// Else the leader would write the same status every time that it sees its own.
    #[test]
    fn summing_up_again_changes_nothing() {
        let mut policy = policy(vec![replica("a", 2, true), replica("b", 1, false)]);
        policy.status = summed_up(&policy, None, &Audited::NotYet, now());
        let later = now() + jiff::SignedDuration::from_hours(1);
        assert_eq!(summed_up(&policy, None, &Audited::NotYet, later), policy.status);
        assert_eq!(policy.status.conditions[0].last_transition_time, "2026-11-01T00:00:00Z");
    }

    #[test]
    fn a_scan_that_finds_the_same_is_not_written_for_a_day() {
        let outcome = |hours: i64, deny: usize| {
            let counts = Counts { deny, ..Counts::default() };
            Outcome {
                at: now() + jiff::SignedDuration::from_hours(hours),
                took: std::time::Duration::ZERO,
                objects: 1,
                policies: BTreeMap::from([("p".to_owned(), counts)]),
                findings: BTreeMap::new(),
                suspected: 0,
                unread: Vec::new(),
                reports: Storing::NotServed,
            }
        };
        let mut policy = policy(vec![replica("a", 2, true)]);
        let mut told = Vec::new();
        for (hours, deny) in [(0, 1), (23, 1), (24, 1), (25, 1), (26, 2)] {
            policy.status = summed_up(&policy, None, &Audited::Found(outcome(hours, deny).into()), now());
            told.push(policy.status.audit.clone().unwrap().last_scan);
        }
        let [first, day, later] = [0, 24, 26].map(|hours| outcome(hours, 0).at.to_string());
        assert_eq!(told, [first.clone(), first, day.clone(), day, later]);
    }

    #[test]
    fn a_scan_that_failed_is_told_and_takes_nothing_back() {
        let mut policy = policy(vec![replica("a", 2, true)]);
        let older = AuditStatus { deny: 3, ..AuditStatus::default() };
        policy.status.audit = Some(older.clone());
        let told = |audited: &Audited| {
            let status = summed_up(&policy, None, audited, now());
            let reported = status.conditions.into_iter().find(|condition| condition.kind == REPORTED);
            (status.audit, reported.map(|condition| format!("{}: {}", condition.reason, condition.message)))
        };
        assert_eq!(told(&Audited::NotYet), (Some(older.clone()), None));
        assert_eq!(told(&Audited::Failed("why".to_owned())), (Some(older), Some("ScanFailed: why".to_owned())));
        assert_eq!(told(&Audited::Off), (None, Some(format!("Off: {OFF}"))));
    }

    #[test]
    fn what_cannot_be_looked_up_is_said_once() {
        let mut of_a = replica("a", 2, true);
        of_a.unknown = vec!["this account may not list `services`".to_owned()];
        let mut of_b = of_a.clone();
        of_b.name = "b".to_owned();
        let status = summed_up(&policy(vec![of_a, of_b]), None, &Audited::NotYet, now());
        let degraded = status.conditions.iter().find(|condition| condition.kind == "Degraded").unwrap();
        assert_eq!(degraded.status, "True");
        assert_eq!(degraded.message, "rules that look these up are undecided: this account may not list `services`");
    }
}
