//! A rule as its author describes it: constants beside the function, turned into the manifest when the host asks.

pub use crate::bindings::stateward::policy::types::{Action, Operation, Profile, RuleKind, Severity};

use crate::bindings::stateward::policy::types as wit;

/// One check or change. Write it as a `const` with `..Rule::VALIDATE` or `..Rule::MUTATE`.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `family/name`.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What breaks, and why. Where somebody met it: `owner/repository#1234`, as GitHub writes issues and pull requests, or `KEP-1234`.
    pub description: &'static str,
    /// A heading to group by.
    pub category: &'static str,
    /// How bad it is where it fires.
    pub severity: Severity,
    /// The component's version that first had it.
    pub since: &'static str,
    /// Whether it judges or changes.
    pub kind: RuleKind,
    /// Its action in profile `baseline`.
    pub baseline: Action,
    /// Its action in profile `strict`.
    pub strict: Action,
    /// What it means at admission when the rule could not be decided.
    pub when_undecided: Action,
    /// Cannot be overridden, exempted or left out alone.
    pub fixed: bool,
    /// Compares the old object with the new: never ratcheted. A mutating rule puts back on UPDATE what the old object has, also where it is off.
    pub compares: bool,
    /// May be undecided without a user.
    pub needs_user: bool,
    /// What it judges.
    pub subjects: &'static [Subject],
    /// What it looks up.
    pub reads: &'static [Read],
}

/// What a rule judges.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// The resource and subresource.
    pub resource: Resource,
    /// Never empty.
    pub operations: &'static [Operation],
    /// CEL for the API server alone, at most 1 KiB: the rule has nothing to say where this is false.
    pub condition: Option<&'static str>,
    /// A failed or missing answer refuses the request.
    pub fail_closed: bool,
}

/// Where an object is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Empty for the core group.
    pub group: &'static str,
    /// `v1`, ..
    pub version: &'static str,
    /// Plural, lower case.
    pub resource: &'static str,
    /// Empty for the main resource.
    pub subresource: &'static str,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Empty for the core group.
    pub group: &'static str,
    /// `v1`, ..
    pub version: &'static str,
    /// `StatefulSet`, ..
    pub kind: &'static str,
}

/// What a rule looks up.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// Of which kind.
    pub kind: Kind,
    /// JSON Pointers; a look-up answers these beside name, namespace, uid and labels.
    pub fields: &'static [&'static str],
    /// Rules ask for these by name; a list of the kind is spared them.
    pub by_name: bool,
    /// Asks the API server, not a cache.
    pub live: bool,
}

impl Read {
    /// Of every object of a kind that is listed, or of one that is asked for by its name.
    pub const fn of(kind: Kind, fields: &'static [&'static str]) -> Self {
        Self { kind, fields, by_name: false, live: false }
    }

    /// Of one object, asked for by its name. What a rule reads of one should not weigh on those that list many.
    pub const fn by_name(kind: Kind, fields: &'static [&'static str]) -> Self {
        Self { by_name: true, ..Self::of(kind, fields) }
    }

    /// Asks the API server, not a cache.
    pub const fn live(self) -> Self {
        Self { live: true, ..self }
    }
}

impl Rule {
    /// A check that warns in both profiles; what is left out of a constant is as here.
    pub const VALIDATE: Self = Self {
        id: "",
        title: "",
        description: "",
        category: "",
        severity: Severity::Medium,
        since: "0.1.0",
        kind: RuleKind::Validate,
        baseline: Action::Warn,
        strict: Action::Warn,
        when_undecided: Action::Audit,
        fixed: false,
        compares: false,
        needs_user: false,
        subjects: &[],
        reads: &[],
    };

    /// A change that is made in both profiles.
    pub const MUTATE: Self =
        Self { kind: RuleKind::Mutate, baseline: Action::Apply, strict: Action::Apply, ..Self::VALIDATE };
}

impl Subject {
    /// A StatefulSet that is made or changed.
    pub const STATEFUL_SETS: Self = Self::of(Resource::STATEFUL_SETS, &[Operation::Create, Operation::Update]);
    /// A StatefulSet whose replicas change through `kubectl scale` or an autoscaler.
    pub const STATEFUL_SETS_SCALE: Self = Self::of(Resource::STATEFUL_SETS.sub("scale"), &[Operation::Update]);

    /// A StatefulSet that is deleted. Rules judge what there was.
    pub const STATEFUL_SETS_DELETE: Self = Self::of(Resource::STATEFUL_SETS, &[Operation::Delete]);

    /// Requests for a resource, without a condition.
    pub const fn of(resource: Resource, operations: &'static [Operation]) -> Self {
        Self { resource, operations, condition: None, fail_closed: false }
    }

    /// Only requests for which this CEL expression is true.
    pub const fn when(self, condition: &'static str) -> Self {
        Self { condition: Some(condition), ..self }
    }

    /// A failed or missing answer refuses the request.
    pub const fn fail_closed(self) -> Self {
        Self { fail_closed: true, ..self }
    }
}

impl Resource {
    /// `apps/v1` StatefulSets.
    pub const STATEFUL_SETS: Self = Self { group: "apps", version: "v1", resource: "statefulsets", subresource: "" };
    /// Pods.
    pub const PODS: Self = Self { group: "", version: "v1", resource: "pods", subresource: "" };
    /// The older way to bind a pod to a node, beside `pods/binding`.
    pub const BINDINGS: Self = Self { group: "", version: "v1", resource: "bindings", subresource: "" };

    /// Deployments.
    pub const DEPLOYMENTS: Self = Self { group: "apps", version: "v1", resource: "deployments", subresource: "" };
    /// ReplicaSets.
    pub const REPLICA_SETS: Self = Self { group: "apps", version: "v1", resource: "replicasets", subresource: "" };
    /// Services.
    pub const SERVICES: Self = Self { group: "", version: "v1", resource: "services", subresource: "" };
    /// PersistentVolumeClaims.
    pub const CLAIMS: Self = Self { group: "", version: "v1", resource: "persistentvolumeclaims", subresource: "" };
    /// PodDisruptionBudgets.
    pub const BUDGETS: Self =
        Self { group: "policy", version: "v1", resource: "poddisruptionbudgets", subresource: "" };
    /// Namespaces.
    pub const NAMESPACES: Self = Self { group: "", version: "v1", resource: "namespaces", subresource: "" };

    /// A subresource of this resource.
    pub const fn sub(self, subresource: &'static str) -> Self {
        Self { subresource, ..self }
    }
}

impl From<&Rule> for wit::Rule {
    fn from(rule: &Rule) -> Self {
        Self {
            id: rule.id.to_owned(),
            kind: rule.kind,
            title: rule.title.to_owned(),
            description: rule.description.to_owned(),
            category: rule.category.to_owned(),
            severity: rule.severity,
            since: rule.since.to_owned(),
            baseline: rule.baseline,
            strict: rule.strict,
            when_undecided: rule.when_undecided,
            fixed: rule.fixed,
            compares: rule.compares,
            needs_user: rule.needs_user,
            subjects: rule.subjects.iter().map(wit::Subject::from).collect(),
            reads: rule.reads.iter().map(wit::Read::from).collect(),
        }
    }
}

impl From<&Subject> for wit::Subject {
    fn from(subject: &Subject) -> Self {
        Self {
            resource: subject.resource.into(),
            operations: subject.operations.to_vec(),
            condition: subject.condition.map(str::to_owned),
            fail_closed: subject.fail_closed,
        }
    }
}

impl From<&Read> for wit::Read {
    fn from(read: &Read) -> Self {
        Self {
            kind: read.kind.into(),
            fields: read.fields.iter().map(|&field| field.to_owned()).collect(),
            by_name: read.by_name,
            live: read.live,
        }
    }
}

impl From<Resource> for wit::GroupVersionResource {
    fn from(resource: Resource) -> Self {
        Self {
            group: resource.group.to_owned(),
            version: resource.version.to_owned(),
            resource: resource.resource.to_owned(),
            subresource: resource.subresource.to_owned(),
        }
    }
}

impl From<Kind> for wit::GroupVersionKind {
    fn from(kind: Kind) -> Self {
        Self { group: kind.group.to_owned(), version: kind.version.to_owned(), kind: kind.kind.to_owned() }
    }
}
