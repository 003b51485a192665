//! What the misbehaving policies have in common: a [`Policy`] that behaves, of which each example changes one thing.
//!
//! Rule 0 judges: each StatefulSet gets one finding. Rule 1 changes: each gets one annotation.

/// Generated from the contract.
pub mod bindings {
    #![allow(missing_docs, reason = "generated")]
    wit_bindgen::generate!({
        path: "../../policies/wit",
        world: "policy",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "stateward_guests::bindings",
    });
}

pub use bindings::exports::stateward::policy::rules::Guest;
pub use bindings::stateward::policy::log::{Level, log};
pub use bindings::stateward::policy::lookup::{Found, Query, find};
pub use bindings::stateward::policy::types::*;

/// The rule that judges.
pub const FINDS: RuleIndex = 0;
/// The rule that changes.
pub const CHANGES: RuleIndex = 1;

/// The exports of a policy, all of them well behaved unless overridden.
pub trait Policy {
    /// Two rules.
    fn describe() -> Manifest {
        manifest()
    }

    /// Any will do.
    fn validate_settings(_settings: String) -> Result<(), Vec<String>> {
        Ok(())
    }

    /// One finding for each policy that asks.
    fn validate(request: Request, units: Vec<Unit>) -> Result<Vec<Judgement>, String> {
        Ok(units.iter().map(|unit| Self::judge(&request, unit)).collect())
    }

    /// One finding.
    fn judge(_request: &Request, _unit: &Unit) -> Judgement {
        Judgement { findings: vec![finding()], undecided: Vec::new() }
    }

    /// One annotation.
    fn mutate(_request: Request, unit: Unit) -> Result<Outcome, String> {
        let change = Change::MergePatch(r#"{"metadata":{"annotations":{"guest":"was here"}}}"#.to_owned());
        let mutation = Mutation { rule: CHANGES, change, note: None };
        let mutations = if unit.rules.contains(&CHANGES) { vec![mutation] } else { Vec::new() };
        Ok(Outcome { mutations, undecided: Vec::new() })
    }
}

impl<P: Policy> Guest for P {
    fn describe() -> Manifest {
        P::describe()
    }

    fn validate_settings(settings: String) -> Result<(), Vec<String>> {
        P::validate_settings(settings)
    }

    fn validate(request: Request, units: Vec<Unit>) -> Result<Vec<Judgement>, String> {
        P::validate(request, units)
    }

    fn mutate(request: Request, unit: Unit) -> Result<Outcome, String> {
        P::mutate(request, unit)
    }
}

/// What every rule that judges finds.
pub fn finding() -> Finding {
    Finding {
        rule: FINDS,
        path: "/spec/replicas".to_owned(),
        place: "replicas".to_owned(),
        message: "there are too many replicas".to_owned(),
        hint: Some("write fewer".to_owned()),
        at_most: None,
        remedy: None,
    }
}

/// A judgement with one finding, changed.
pub fn judgement_with(change: impl FnOnce(&mut Finding)) -> Judgement {
    let mut finding = finding();
    change(&mut finding);
    Judgement { findings: vec![finding], undecided: Vec::new() }
}

/// The description of the two rules. `guest/finds` warns in `baseline` and denies in `strict`.
pub fn manifest() -> Manifest {
    Manifest {
        name: "guest".to_owned(),
        version: "0.1.0".to_owned(),
        description: "Says something about every StatefulSet.".to_owned(),
        url: None,
        rules: vec![
            rule("guest/finds", RuleKind::Validate, Action::Warn, Action::Deny),
            rule("guest/changes", RuleKind::Mutate, Action::Apply, Action::Apply),
        ],
        settings_schema: r#"{"type":"object"}"#.to_owned(),
    }
}

/// Services, as a rule declares to look them up.
pub fn services() -> GroupVersionKind {
    GroupVersionKind { group: String::new(), version: "v1".to_owned(), kind: "Service".to_owned() }
}

/// The same description, where the first rule looks up Services.
pub fn manifest_that_reads_services() -> Manifest {
    let mut manifest = manifest();
    manifest.rules[0].reads =
        vec![Read { kind: services(), fields: vec!["/spec/clusterIP".to_owned()], by_name: false, live: false }];
    manifest
}

/// All Services of all namespaces.
pub fn query(kind: GroupVersionKind) -> Query {
    Query { kind, namespace: None, name: None, labels: None, live: false }
}

fn rule(id: &str, kind: RuleKind, baseline: Action, strict: Action) -> Rule {
    let resource = GroupVersionResource {
        group: "apps".to_owned(),
        version: "v1".to_owned(),
        resource: "statefulsets".to_owned(),
        subresource: String::new(),
    };
    Rule {
        id: id.to_owned(),
        kind,
        title: "says something".to_owned(),
        description: "Says something about every StatefulSet.".to_owned(),
        category: "test".to_owned(),
        severity: Severity::Low,
        since: "0.1.0".to_owned(),
        baseline,
        strict,
        when_undecided: Action::Audit,
        fixed: false,
        compares: false,
        needs_user: false,
        subjects: vec![Subject {
            resource,
            operations: vec![Operation::Create, Operation::Update],
            condition: None,
            fail_closed: false,
        }],
        reads: Vec::new(),
    }
}

/// Exports a [`Policy`].
#[macro_export]
macro_rules! export_policy {
    ($policy:ident) => {
        $crate::bindings::export!($policy with_types_in $crate::bindings);
    };
}
