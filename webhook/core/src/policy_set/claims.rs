//! Who has a fixed rule where two policies select it for a namespace: the one in force; of two newcomers the stricter.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::policy::{Policy, SpecError};
use crate::resources::Mode;

/// The policies that can be in force together, in name order, and why the others cannot. See [`super::PolicySet::succeed`].
pub(super) fn settle(wanted: Vec<Policy>, in_force: &[Policy]) -> (Vec<Policy>, Vec<(String, SpecError)>) {
    let former: BTreeMap<&str, &Policy> = in_force.iter().map(|policy| (policy.name.as_str(), policy)).collect();
    let (changed, mut newcomers): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|policy| former.contains_key(policy.name.as_str()));
    let mut changed: BTreeMap<String, Policy> =
        changed.into_iter().map(|policy| (policy.name.clone(), policy)).collect();
    let seats = former.into_iter().map(|(name, former)| match changed.remove(name) {
        Some(policy) => Seat { policy, former: Some(former) },
        None => Seat { policy: former.clone(), former: None },
    });
    let mut errors = Vec::new();
    // Newcomers have no say in it: which version of a policy stays in force must not depend on what else is added.
    let mut settled = fall_back(seats.collect(), &mut errors);
    let taken = settled.len();
    newcomers.sort_by(|a, b| strictness(a).cmp(&strictness(b)));
    for newcomer in newcomers {
        let clash =
            settled.iter().enumerate().find_map(|(at, other)| Some((at, other, shared_rule(&newcomer, other)?)));
        match clash {
            Some((at, other, rule)) => {
                let reason = if at < taken { Reason::InForce } else { Reason::between(&newcomer, other) };
                errors.push(refusal(&newcomer, other, rule, reason));
            }
            None => settled.push(newcomer),
        }
    }
    settled.sort_by(|a, b| a.name.cmp(&b.name));
    (settled, errors)
}

/// A policy that is in force.
struct Seat<'a> {
    /// As it is to be.
    policy: Policy,
    /// The version to fall back to, unless `policy` is it.
    former: Option<&'a Policy>,
}

/// Why the other one counts.
#[derive(Clone, Copy)]
enum Reason {
    InForce,
    Stricter,
    FirstByName,
}

impl Reason {
    /// Of two of which neither was there first.
    fn between(refused: &Policy, counts: &Policy) -> Self {
        if refused.mode == counts.mode { Self::FirstByName } else { Self::Stricter }
    }
}

/// Takes changes back until nothing contradicts: the versions in force do not, so it ends there at the latest.
fn fall_back(mut seats: Vec<Seat<'_>>, errors: &mut Vec<(String, SpecError)>) -> Vec<Policy> {
    while let Some((at, error)) = first_clash(&seats) {
        errors.push(error);
        let Some(seat) = seats.get_mut(at) else { break };
        match seat.former.take() {
            Some(former) => seat.policy = former.clone(),
            None => drop(seats.remove(at)),
        }
    }
    seats.into_iter().map(|seat| seat.policy).collect()
}

/// The place of the policy that yields, and why.
fn first_clash(seats: &[Seat<'_>]) -> Option<(usize, (String, SpecError))> {
    seats.iter().enumerate().find_map(|(n, b)| {
        seats.iter().enumerate().take(n).find_map(|(m, a)| {
            let rule = shared_rule(&a.policy, &b.policy)?;
            let (of_a, of_b) = (claim(a, b), claim(b, a));
            let (at, yields, counts) = if of_a > of_b { (m, a, b) } else { (n, b, a) };
            let reason = if (of_a.0, of_a.1) == (of_b.0, of_b.1) {
                Reason::between(&yields.policy, &counts.policy)
            } else {
                Reason::InForce
            };
            Some((at, refusal(&yields.policy, &counts.policy, rule, reason)))
        })
    })
}

/// Less is better: a version in force, then a change that leaves alone what the other one has in force, then the stricter.
fn claim<'a>(own: &'a Seat<'_>, other: &Seat<'_>) -> (bool, bool, (Reverse<Mode>, &'a str)) {
    let intrudes = other.former.is_some_and(|former| shared_rule(&own.policy, former).is_some());
    (own.former.is_some(), own.former.is_some() && intrudes, strictness(&own.policy))
}

/// Less is stricter; of equals, the first by name.
fn strictness(policy: &Policy) -> (Reverse<Mode>, &str) {
    (Reverse(policy.mode), &policy.name)
}

/// A fixed rule that both select for a namespace that both select.
fn shared_rule<'a>(a: &'a Policy, b: &Policy) -> Option<&'a str> {
    let shared = fixed(a).find(|rule| fixed(b).any(|other| other == *rule))?;
    a.matcher.namespace_selector.overlaps(&b.matcher.namespace_selector).then_some(shared)
}

fn fixed(policy: &Policy) -> impl Iterator<Item = &str> {
    policy.described().filter(|(_, rule)| rule.fixed).map(|(_, rule)| rule.id.as_str())
}

fn refusal(refused: &Policy, counts: &Policy, rule: &str, reason: Reason) -> (String, SpecError) {
    let why = match reason {
        Reason::InForce => "which is in force".to_owned(),
        Reason::Stricter => format!("which counts because `{:?}` is stricter than `{:?}`", counts.mode, refused.mode),
        Reason::FirstByName => "which counts because its name comes first".to_owned(),
    };
    let message = format!(
        "the fixed rule `{rule}` is already selected by policy `{}` for some of the same namespaces, {why}",
        counts.name
    );
    let error = SpecError::new("/spec/match/namespaceSelector", message)
        .hint("give the two policies namespace selectors that exclude each other, e.g. `In` and `NotIn` of one label");
    (refused.name.clone(), error)
}

#[cfg(test)]
mod tests;
