//! The whole way of one request: plan, evaluate, fold. Server, `check`, `explain` and audit call these two functions and no others.

use std::sync::Arc;
use std::time::Instant;

use crate::inventory::Inventory;
use crate::policy_set::PolicySet;
use crate::request::Request;
use crate::verdict::Verdict;

/// Which rules a validating call runs. No rule runs on two of the first three for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Exactly the rules with a fail-closed subject for the request's resource and operation; every failure is a denial.
    Closed,
    /// The other rules, of policies with `failurePolicy: Fail`.
    Fail,
    /// The other rules, of policies with `failurePolicy: Ignore`.
    Ignore,
    /// All of them: `check`, audit and `explain`.
    All,
}

/// The facts of one call that are neither in the request nor in the policies.
#[derive(Clone)]
pub struct Facts {
    /// Other objects, and namespaces.
    pub inventory: Arc<dyn Inventory>,
    /// For exemptions that expire.
    pub now: jiff::Timestamp,
    /// When the answer is due.
    pub deadline: Instant,
    /// Whether [`Verdict::trace`] is wanted.
    pub trace: bool,
}

/// Judges the request. Never fails: a policy that breaks is a [`crate::verdict::Failure`] inside the verdict.
pub async fn validate(set: &PolicySet, request: &Request<'_>, route: Route, facts: &Facts) -> Verdict {
    let _ = (set, request, facts); todo!()
}

/// Changes the object: policies in name order, each sees what the former one changed. A request that no rule changes is allowed without a patch.
pub async fn mutate(set: &PolicySet, request: &Request<'_>, facts: &Facts) -> Verdict {
    let _ = (set, request, facts); todo!()
}
