//! What is wrong with a set and its members, the worst first, and what mends it.

use stateward_sdk::contract::{MANAGER, MANAGER_ONLY, ROLE, SET, WRITES, is_governed};
use stateward_sdk::objects::UpdateType;

use super::judge::{Seen, StoredPod};
use super::services;
use super::view::{Difference, Member, PodState, Problem, Stamp};

pub(super) fn problem(kind: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem { kind, message: message.into(), hint: hint.into() }
}

/// `--namespace shop`.
pub(super) fn at(seen: &Seen) -> String {
    format!("--namespace {}", seen.stored.facts.namespace)
}

/// All of them.
pub(super) fn problems(seen: &Seen) -> Vec<Problem> {
    if !is_governed(seen.set) {
        // Left from before it was made anew, or forged while nobody judged.
        let left = seen.strangers.iter().map(|pod| stranger(seen, pod));
        return left.chain([undeclared(seen)]).collect();
    }
    let mut problems = Vec::new();
    let writers = writers(seen);
    problems.extend(two_writers(seen, &writers));
    // Whom the first problem names it tells what to do with.
    let is_told =
        |name: &str| writers.len() > 1 && writers.iter().any(|writer| writer.pod.metadata.name.as_str() == name);
    // Of a stranger in the manager's place `away` tells.
    let is_away = |name: &str| name == seen.manager && seen.set.replicas() > 0;
    let is_new = |name: &str| !is_told(name) && !is_away(name);
    let strangers = seen.strangers.iter().filter(|pod| is_new(&pod.pod.metadata.name));
    problems.extend(strangers.map(|pod| stranger(seen, pod)));
    let members = seen.members.as_deref().unwrap_or_default();
    let is_wrong = |member: &&Member| member.stamp == Some(Stamp::Wrong) && !is_told(&member.name);
    problems.extend(members.iter().filter(is_wrong).map(|member| wrong(seen, member)));
    problems.extend(away(seen));
    problems.extend(missing(seen, members));
    problems.extend(not_recorded(seen));
    problems.extend(unstamped(seen, members));
    problems.extend(services::problems(seen));
    problems
}

fn undeclared(seen: &Seen) -> Problem {
    let name = &seen.set.metadata.name;
    let message = match seen.set.metadata.annotations.get(WRITES) {
        None => format!("the set does not say who may write: it has no annotation `{WRITES}`"),
        Some("" | "any") => "the set lets every member write, so it has no manager".to_owned(),
        Some(other) => format!("`{WRITES}` says `{other}`, which nobody knows"),
    };
    let annotate = format!("kubectl annotate statefulset {name} {} {WRITES}={MANAGER_ONLY} --overwrite", at(seen));
    problem(
        "undeclared",
        message,
        format!("if its first member alone shall write: `{annotate}`, then look here again; else leave it"),
    )
}

/// Pods that say that they write, whosever they are, while their containers may run.
fn writers<'s, 'f>(seen: &Seen<'s, 'f>) -> Vec<&'s StoredPod<'f>> {
    let pods = seen.stored.pods.iter().flatten();
    pods.filter(|pod| !pod.pod.is_terminal() && pod.claims_to_write(&seen.set.metadata.name)).collect()
}

fn two_writers(seen: &Seen, writers: &[&StoredPod]) -> Option<Problem> {
    let named: Vec<&str> = writers.iter().map(|pod| pod.pod.metadata.name.as_str()).collect();
    let excess: Vec<&str> = named.iter().copied().filter(|name| **name != *seen.manager).collect();
    if named.len() < 2 {
        return None;
    }
    let pods: Vec<String> = named.iter().map(|name| format!("`{name}`")).collect();
    Some(problem(
        "two-writers",
        format!("{} pods say that they may write: {}", named.len(), pods.join(", ")),
        format!(
            "`{}` is the manager: `kubectl delete pod {} {}`, and look at what both wrote",
            seen.manager,
            excess.join(" "),
            at(seen)
        ),
    ))
}

fn stranger(seen: &Seen, pod: &StoredPod) -> Problem {
    let (name, set) = (&pod.pod.metadata.name, &seen.set.metadata.name);
    let role =
        pod.label(ROLE).map_or_else(|| format!("`{SET}: {set}`"), |role| format!("the role `{role}` of `{set}`"));
    problem(
        "role-of-a-stranger",
        format!("pod `{name}` carries {role} and is not a member: Services that select it lead there"),
        format!("`kubectl get pod {name} {} --output yaml` says whose it is; delete it", at(seen)),
    )
}

fn wrong(seen: &Seen, member: &Member) -> Problem {
    let value =
        |value: &Option<String>| value.as_ref().map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"));
    let told = |difference: &Difference| {
        format!("`{}` is {} instead of {}", difference.key, value(&difference.found), value(&difference.computed))
    };
    let differences: Vec<String> = member.differences.iter().map(told).collect();
    problem("wrong-role", format!("`{}`: {}", member.name, differences.join(", ")), made_anew(seen, &member.name))
}

/// A manager that does not write.
fn away(seen: &Seen) -> Option<Problem> {
    let (name, manager) = (&seen.set.metadata.name, &seen.manager);
    if seen.set.replicas() == 0 {
        return Some(problem(
            "scaled-to-zero",
            "with 0 replicas there is no manager: nothing is written",
            format!("`kubectl scale statefulset {name} {} --replicas 1`, or as many as it had", at(seen)),
        ));
    }
    let members = seen.members.as_ref()?;
    let member = members.iter().find(|member| member.name == *manager);
    let describe = format!("`kubectl describe pod {manager} {}` says why", at(seen));
    match member.map_or(PodState::Absent, |member| member.state) {
        PodState::Absent if is_taken(seen) => Some(problem(
            "manager-missing",
            format!("there is no manager: pod `{manager}` is not of this set's making, and has its name"),
            format!("`kubectl get pod {manager} {} --output yaml` says whose it is; delete it", at(seen)),
        )),
        PodState::Absent => Some(problem(
            "manager-missing",
            format!("there is no manager: pod `{manager}` does not exist"),
            format!(
                "`kubectl describe statefulset {name} {}` says why it is not made; `stateward doctor`, whether roles are given",
                at(seen)
            ),
        )),
        PodState::Terminating => Some(problem(
            "manager-not-ready",
            format!("the manager `{manager}` is on its way out: nothing is written until it has been made anew"),
            format!("it comes back by itself; {describe} if it does not"),
        )),
        PodState::Unready => {
            Some(problem("manager-not-ready", format!("the manager `{manager}` is not ready"), describe))
        }
        PodState::Ready if member.is_some_and(|member| member.stamp == Some(Stamp::Adopted)) => Some(problem(
            "adopted-manager",
            format!(
                "`{manager}` was there before the set and joined as a worker, as every adopted pod does: nobody may write"
            ),
            made_anew(seen, manager),
        )),
        PodState::Ready => None,
    }
}

/// Workers that are wanted and not there, though the manager is: they are made one after the other.
fn missing(seen: &Seen, members: &[Member]) -> Option<Problem> {
    let is_missing = |member: &&Member| member.state == PodState::Absent && member.name != seen.manager;
    members.iter().find(|member| member.name == seen.manager && member.state != PodState::Absent)?;
    let next = &members.iter().find(is_missing)?.name;
    let there = members.iter().filter(|member| member.state != PodState::Absent).count();
    Some(problem(
        "members-missing",
        format!("{there} of {} members are there: `{next}` is missing", seen.set.replicas()),
        format!(
            "`kubectl describe statefulset {} {}` says why, unless it is being made just now",
            seen.set.metadata.name,
            at(seen)
        ),
    ))
}

/// A pod of the manager's name that the set does not take for its own.
fn is_taken(seen: &Seen) -> bool {
    seen.stored.pods.iter().flatten().any(|pod| *pod.pod.metadata.name == *seen.manager)
}

/// The webhook writes it with every change of a governed set.
fn not_recorded(seen: &Seen) -> Option<Problem> {
    let recorded = seen.set.metadata.annotations.get(MANAGER);
    if recorded == Some(seen.manager.as_str()) {
        return None;
    }
    let found = recorded.map_or_else(|| "is not there".to_owned(), |found| format!("says `{found}`"));
    Some(problem(
        "manager-not-recorded",
        format!(
            "`{MANAGER}` {found} instead of `{}`: the webhook was not asked when the set was changed",
            seen.manager
        ),
        format!(
            "`stateward doctor` says why; then `kubectl annotate statefulset {} {} {WRITES}={MANAGER_ONLY} --overwrite`",
            seen.set.metadata.name,
            at(seen)
        ),
    ))
}

/// In the order in which they must be made anew: the manager last.
fn unstamped(seen: &Seen, members: &[Member]) -> Option<Problem> {
    let all: Vec<&str> =
        members.iter().rev().filter(|member| member.is_unstamped()).map(|member| member.name.as_str()).collect();
    let (first, later) = all.split_first()?;
    let named: Vec<String> = all.iter().map(|name| format!("`{name}`")).collect();
    let (word, have) = if later.is_empty() { ("member", "has") } else { ("members", "have") };
    let mut hint = format!("make them anew: `kubectl delete pod {first} {}`", at(seen));
    if later.is_empty() {
        hint = made_anew(seen, first);
    } else {
        let later: Vec<String> = later.iter().map(|name| format!("`{name}`")).collect();
        hint.push_str(&format!(", then {}, each when the one before is ready", later.join(", ")));
        if let Some(restart) = restart(seen).filter(|_| all.contains(&seen.manager.as_str())) {
            hint.push_str(&format!("; {restart} does the same with all members"));
        }
    }
    let kept = kept(seen).map(|kept| format!(" ({kept})")).unwrap_or_default();
    Some(problem("unstamped-members", format!("{} {word} {have} no role: {}{kept}", all.len(), named.join(", ")), hint))
}

/// Why no roll-out reaches them.
fn kept(seen: &Seen) -> Option<String> {
    let strategy = &seen.set.spec.update_strategy;
    let partition = strategy.rolling_update.partition;
    match seen.set.update_type() {
        Some(UpdateType::OnDelete) => Some("`updateStrategy.type: OnDelete` replaces none by itself".to_owned()),
        Some(UpdateType::RollingUpdate) if partition > seen.set.start() => {
            Some(format!("a roll-out leaves those below `partition: {partition}` as they are"))
        }
        _ => None,
    }
}

/// A pod gets its keys when it is made, never later. `strict` refuses that a person deletes a manager; a roll-out is nobody's deletion.
fn made_anew(seen: &Seen, pod: &str) -> String {
    let delete = format!("make it anew: `kubectl delete pod {pod} {}`", at(seen));
    match restart(seen).filter(|_| pod == seen.manager) {
        Some(restart) => format!("{delete}; where the profile `strict` refuses that: {restart}"),
        None => delete,
    }
}

/// The command that makes all members anew, the manager last, where the set allows it.
fn restart(seen: &Seen) -> Option<String> {
    let rolls = seen.set.update_type() == Some(UpdateType::RollingUpdate) && kept(seen).is_none();
    rolls.then(|| format!("`kubectl rollout restart statefulset {} {}`", seen.set.metadata.name, at(seen)))
}
