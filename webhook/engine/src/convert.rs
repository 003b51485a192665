//! Core's types to the contract's and back. Borrows on the way in, moves on the way out.

use std::borrow::Cow;

use stateward_core::evaluate as core;
use stateward_core::manifest::{Action, Manifest, Profile, Read, Rule, RuleKind, Severity, Subject};
use stateward_core::request::{GroupVersionKind, GroupVersionResource, Operation, Request, User};

use crate::bindings::stateward::policy::types as wit;
use crate::text;

/// The lists of a request's user, as the contract wants them: slices of borrowed texts.
pub(crate) struct UserLists<'a> {
    groups: Vec<&'a str>,
    values: Vec<Vec<&'a str>>,
}

impl<'a> UserLists<'a> {
    pub(crate) fn new(user: Option<&'a User<'_>>) -> Self {
        let Some(user) = user else {
            return Self { groups: Vec::new(), values: Vec::new() };
        };
        let texts = |list: &'a [Cow<'_, str>]| list.iter().map(|text| &**text).collect();
        Self { groups: texts(&user.groups), values: user.extra.iter().map(|(_, values)| texts(values)).collect() }
    }

    /// `user.extra` of the same user.
    pub(crate) fn extra(&'a self, user: Option<&'a User<'_>>) -> Vec<wit::UserExtra<'a>> {
        let keys = user.into_iter().flat_map(|user| &user.extra).map(|(key, _)| &**key);
        keys.zip(&self.values).map(|(key, values)| wit::UserExtra { key, values }).collect()
    }
}

pub(crate) fn request<'a>(
    request: &'a Request<'_>,
    lists: &'a UserLists<'a>,
    extra: &'a [wit::UserExtra<'a>],
) -> wit::Request<'a> {
    wit::Request {
        uid: &request.uid,
        operation: match request.operation {
            Operation::Create => wit::Operation::Create,
            Operation::Update => wit::Operation::Update,
            Operation::Delete => wit::Operation::Delete,
            Operation::Connect => wit::Operation::Connect,
        },
        kind: wit::GroupVersionKindParam {
            group: &request.kind.group,
            version: &request.kind.version,
            kind: &request.kind.kind,
        },
        resource: wit::GroupVersionResourceParam {
            group: &request.resource.group,
            version: &request.resource.version,
            resource: &request.resource.resource,
            subresource: &request.resource.subresource,
        },
        name: request.name.as_deref(),
        namespace: request.namespace.as_deref(),
        user: request.user.as_ref().map(|user| wit::User {
            username: &user.username,
            uid: &user.uid,
            groups: &lists.groups,
            extra,
        }),
        dry_run: request.dry_run,
        object: request.object.as_deref(),
        old_object: request.old_object.as_deref(),
        options: request.options.as_deref(),
    }
}

pub(crate) const fn unit<'a>(unit: &core::Unit<'a>) -> wit::Unit<'a> {
    wit::Unit {
        rules: unit.rules,
        profile: match unit.profile {
            Profile::Baseline => wit::Profile::Baseline,
            Profile::Strict => wit::Profile::Strict,
        },
        settings: unit.settings,
    }
}

pub(crate) fn kind_borrowed(kind: &wit::GroupVersionKindResult) -> GroupVersionKind<'_> {
    GroupVersionKind {
        group: Cow::Borrowed(&kind.group),
        version: Cow::Borrowed(&kind.version),
        kind: Cow::Borrowed(&kind.kind),
    }
}

pub(crate) fn kind(kind: wit::GroupVersionKindResult) -> GroupVersionKind<'static> {
    GroupVersionKind { group: Cow::Owned(kind.group), version: Cow::Owned(kind.version), kind: Cow::Owned(kind.kind) }
}

pub(crate) const fn action(action: wit::Action) -> Action {
    match action {
        wit::Action::Off => Action::Off,
        wit::Action::Audit => Action::Audit,
        wit::Action::Warn => Action::Warn,
        wit::Action::Deny => Action::Deny,
        wit::Action::Apply => Action::Apply,
    }
}

pub(crate) fn change(change: wit::Change) -> core::Change {
    match change {
        wit::Change::MergePatch(patch) => core::Change::MergePatch(patch),
        wit::Change::JsonPatch(patch) => core::Change::JsonPatch(patch),
        wit::Change::Object(object) => core::Change::Object(object),
    }
}

/// Texts are printed by `rules` and in reports: cleaned here, once.
pub(crate) fn manifest(manifest: wit::Manifest) -> Manifest {
    Manifest {
        name: text::clean_owned(manifest.name, MAX_NAME_BYTES),
        version: text::clean_owned(manifest.version, MAX_NAME_BYTES),
        description: text::clean_owned(manifest.description, MAX_DESCRIPTION_BYTES),
        url: manifest.url.map(|url| text::clean_owned(url, MAX_DESCRIPTION_BYTES)),
        rules: manifest.rules.into_iter().map(rule).collect(),
        settings_schema: manifest.settings_schema,
    }
}

fn rule(rule: wit::Rule) -> Rule {
    Rule {
        id: text::clean_owned(rule.id, MAX_NAME_BYTES),
        kind: match rule.kind {
            wit::RuleKind::Validate => RuleKind::Validate,
            wit::RuleKind::Mutate => RuleKind::Mutate,
        },
        title: text::clean_owned(rule.title, MAX_NAME_BYTES),
        description: text::clean_owned(rule.description, MAX_DESCRIPTION_BYTES),
        category: text::clean_owned(rule.category, MAX_NAME_BYTES),
        severity: match rule.severity {
            wit::Severity::Low => Severity::Low,
            wit::Severity::Medium => Severity::Medium,
            wit::Severity::High => Severity::High,
            wit::Severity::Critical => Severity::Critical,
        },
        since: rule.since,
        baseline: action(rule.baseline),
        strict: action(rule.strict),
        when_undecided: action(rule.when_undecided),
        fixed: rule.fixed,
        compares: rule.compares,
        needs_user: rule.needs_user,
        subjects: rule.subjects.into_iter().map(subject).collect(),
        reads: rule
            .reads
            .into_iter()
            .map(|read| Read { kind: kind(read.kind), fields: read.fields, by_name: read.by_name, live: read.live })
            .collect(),
    }
}

fn subject(subject: wit::Subject) -> Subject {
    Subject {
        resource: GroupVersionResource {
            group: Cow::Owned(subject.resource.group),
            version: Cow::Owned(subject.resource.version),
            resource: Cow::Owned(subject.resource.resource),
            subresource: Cow::Owned(subject.resource.subresource),
        },
        operations: subject.operations.into_iter().map(operation).collect(),
        condition: subject.condition,
        fail_closed: subject.fail_closed,
    }
}

const fn operation(operation: wit::Operation) -> Operation {
    match operation {
        wit::Operation::Create => Operation::Create,
        wit::Operation::Update => Operation::Update,
        wit::Operation::Delete => Operation::Delete,
        wit::Operation::Connect => Operation::Connect,
    }
}

const MAX_NAME_BYTES: usize = 256;
const MAX_DESCRIPTION_BYTES: usize = 4 << 10;
