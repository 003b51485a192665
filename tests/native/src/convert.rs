//! Between core's types and the guest's, which the canonical ABI converts for a guest in Wasm.

use std::borrow::Cow;

use stateward_core::evaluate as core;
use stateward_core::manifest;
use stateward_core::request;
use stateward_sdk::bindings::stateward::policy::types as wit;

pub(super) fn request(from: &request::Request<'_>) -> wit::Request {
    let owned = |text: &Option<request::Text<'_>>| text.as_ref().map(|text| text.as_ref().to_owned());
    wit::Request {
        uid: from.uid.as_ref().to_owned(),
        operation: match from.operation {
            request::Operation::Create => wit::Operation::Create,
            request::Operation::Update => wit::Operation::Update,
            request::Operation::Delete => wit::Operation::Delete,
            request::Operation::Connect => wit::Operation::Connect,
        },
        kind: wit::GroupVersionKind {
            group: from.kind.group.as_ref().to_owned(),
            version: from.kind.version.as_ref().to_owned(),
            kind: from.kind.kind.as_ref().to_owned(),
        },
        resource: wit::GroupVersionResource {
            group: from.resource.group.as_ref().to_owned(),
            version: from.resource.version.as_ref().to_owned(),
            resource: from.resource.resource.as_ref().to_owned(),
            subresource: from.resource.subresource.as_ref().to_owned(),
        },
        name: owned(&from.name),
        namespace: owned(&from.namespace),
        user: from.user.as_ref().map(user),
        dry_run: from.dry_run,
        object: owned(&from.object),
        old_object: owned(&from.old_object),
        options: owned(&from.options),
    }
}

pub(super) fn units(call: &core::Call<'_>) -> Vec<wit::Unit> {
    call.units
        .iter()
        .map(|unit| wit::Unit {
            rules: unit.rules.to_vec(),
            profile: match unit.profile {
                manifest::Profile::Baseline => wit::Profile::Baseline,
                manifest::Profile::Strict => wit::Profile::Strict,
            },
            settings: unit.settings.to_owned(),
        })
        .collect()
}

pub(super) fn borrowed_kind(from: &wit::GroupVersionKind) -> request::GroupVersionKind<'_> {
    request::GroupVersionKind {
        group: Cow::Borrowed(&from.group),
        version: Cow::Borrowed(&from.version),
        kind: Cow::Borrowed(&from.kind),
    }
}

pub(super) fn judgement(from: wit::Judgement) -> core::Judgement {
    core::Judgement {
        findings: from.findings.into_iter().map(finding).collect(),
        undecided: from.undecided.into_iter().map(undecided).collect(),
    }
}

pub(super) fn outcome(from: wit::Outcome) -> core::Outcome {
    let mutation =
        |from: wit::Mutation| core::Mutation { rule: from.rule, change: change(from.change), note: from.note };
    core::Outcome {
        mutations: from.mutations.into_iter().map(mutation).collect(),
        undecided: from.undecided.into_iter().map(undecided).collect(),
    }
}

pub(super) fn manifest(from: wit::Manifest) -> manifest::Manifest {
    manifest::Manifest {
        name: from.name,
        version: from.version,
        description: from.description,
        url: from.url,
        rules: from.rules.into_iter().map(rule).collect(),
        settings_schema: from.settings_schema,
    }
}

fn user(from: &request::User<'_>) -> wit::User {
    let all = |texts: &[request::Text<'_>]| texts.iter().map(|text| text.as_ref().to_owned()).collect();
    wit::User {
        username: from.username.as_ref().to_owned(),
        uid: from.uid.as_ref().to_owned(),
        groups: all(&from.groups),
        extra: from
            .extra
            .iter()
            .map(|(key, values)| wit::UserExtra { key: key.as_ref().to_owned(), values: all(values) })
            .collect(),
    }
}

fn finding(from: wit::Finding) -> core::Finding {
    core::Finding {
        rule: from.rule,
        path: from.path,
        place: from.place,
        message: from.message,
        hint: from.hint,
        at_most: from.at_most.map(action),
        remedy: from.remedy.map(change),
    }
}

fn undecided(from: wit::Undecided) -> core::Undecided {
    core::Undecided {
        rule: from.rule,
        reason: match from.reason {
            wit::UndecidedReason::NeedsUser => core::UndecidedReason::NeedsUser,
            wit::UndecidedReason::Unavailable(of) => core::UndecidedReason::Unavailable(kind(of)),
            wit::UndecidedReason::Other(words) => core::UndecidedReason::Other(words),
        },
    }
}

fn change(from: wit::Change) -> core::Change {
    match from {
        wit::Change::MergePatch(text) => core::Change::MergePatch(text),
        wit::Change::JsonPatch(text) => core::Change::JsonPatch(text),
        wit::Change::Object(text) => core::Change::Object(text),
    }
}

fn rule(from: wit::Rule) -> manifest::Rule {
    manifest::Rule {
        id: from.id,
        kind: match from.kind {
            wit::RuleKind::Validate => manifest::RuleKind::Validate,
            wit::RuleKind::Mutate => manifest::RuleKind::Mutate,
        },
        title: from.title,
        description: from.description,
        category: from.category,
        severity: match from.severity {
            wit::Severity::Low => manifest::Severity::Low,
            wit::Severity::Medium => manifest::Severity::Medium,
            wit::Severity::High => manifest::Severity::High,
            wit::Severity::Critical => manifest::Severity::Critical,
        },
        since: from.since,
        baseline: action(from.baseline),
        strict: action(from.strict),
        when_undecided: action(from.when_undecided),
        fixed: from.fixed,
        compares: from.compares,
        needs_user: from.needs_user,
        subjects: from.subjects.into_iter().map(subject).collect(),
        reads: from
            .reads
            .into_iter()
            .map(|read| manifest::Read {
                kind: kind(read.kind),
                fields: read.fields,
                by_name: read.by_name,
                live: read.live,
            })
            .collect(),
    }
}

fn subject(from: wit::Subject) -> manifest::Subject {
    let operation = |from: wit::Operation| match from {
        wit::Operation::Create => request::Operation::Create,
        wit::Operation::Update => request::Operation::Update,
        wit::Operation::Delete => request::Operation::Delete,
        wit::Operation::Connect => request::Operation::Connect,
    };
    manifest::Subject {
        resource: request::GroupVersionResource {
            group: from.resource.group.into(),
            version: from.resource.version.into(),
            resource: from.resource.resource.into(),
            subresource: from.resource.subresource.into(),
        },
        operations: from.operations.into_iter().map(operation).collect(),
        condition: from.condition,
        fail_closed: from.fail_closed,
    }
}

fn kind(from: wit::GroupVersionKind) -> request::GroupVersionKind<'static> {
    request::GroupVersionKind { group: from.group.into(), version: from.version.into(), kind: from.kind.into() }
}

fn action(from: wit::Action) -> manifest::Action {
    match from {
        wit::Action::Off => manifest::Action::Off,
        wit::Action::Audit => manifest::Action::Audit,
        wit::Action::Warn => manifest::Action::Warn,
        wit::Action::Deny => manifest::Action::Deny,
        wit::Action::Apply => manifest::Action::Apply,
    }
}
