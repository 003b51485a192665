//! Both webhook configurations, derived from the installed rules: which requests the API server sends to which path, and what a failed call means.
//!
//! Pure: the same policies and the same [`Registration`] are the same bytes. Every field that the API server would default is written out, so that a
//! stored configuration equals a derived one unless somebody edited it. When to write them, and when not, is `registration`'s.

mod conditions;
mod rules;
pub(crate) mod selector;

use std::collections::BTreeSet;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, ServiceReference, ValidatingWebhook,
    ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use stateward_core::labels::Selector;
use stateward_core::policy_set::{Asked, Asker, PolicySet};

use crate::names;

/// What the API server is to be told beside the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Our own, never sent to us: what we need to run must not wait for us.
    pub namespace: String,
    /// How the API server gets to us.
    pub reach: Reach,
    /// PEM; what signs our certificate. `None`: known to the API server anyway, or somebody else writes it into the configurations.
    pub ca_bundle: Option<Vec<u8>>,
    /// Our ClusterRole's uid: the configurations go when it goes. `None`: nobody owns them.
    pub owner: Option<String>,
    /// Entries whose failure refuses. Only those that [`Entry::may_fail`] are ever registered so.
    pub failing: BTreeSet<Entry>,
}

/// How the API server gets to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Through a Service in [`Registration::namespace`].
    Service {
        /// Its name.
        name: String,
        /// The Service's port, not the pods'.
        port: u16,
    },
    /// From outside the cluster, `https://HOST:PORT`; each entry's path is appended.
    Url(String),
}

/// Both configurations.
#[derive(Clone, Debug, PartialEq)]
pub struct Configurations {
    /// With [`Entry::Mutate`] and [`Entry::MutateStrict`].
    pub mutating: MutatingWebhookConfiguration,
    /// With the other entries.
    pub validating: ValidatingWebhookConfiguration,
}

/// One entry of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// Changes objects; open on failure, since what it writes is validated.
    Mutate,
    /// The same for rules that change only in `strict`, and for namespaces that are labelled so: elsewhere nobody waits for a call that changes
    /// nothing.
    MutateStrict,
    /// Rules of which a missing answer is a refusal, whatever their policy's `failurePolicy`.
    ValidateClosed,
    /// The other rules of policies with `failurePolicy: Fail`.
    ValidateFail,
    /// The other rules of policies with `failurePolicy: Ignore`.
    ValidateIgnore,
}

/// Derives both. An entry without a rule is left out; a configuration without an entry remains, empty.
pub fn configurations(set: &PolicySet, registration: &Registration) -> Configurations {
    let asked: Vec<Asked<'_>> = set.asked().collect();
    let of = |entry: Entry| -> Option<Common> {
        let of_entry: Vec<&Asked<'_>> = asked.iter().filter(|asked| asked.by == entry.asker()).collect();
        (!of_entry.is_empty()).then(|| Common::new(entry, &of_entry, registration))
    };
    let mutating: Vec<MutatingWebhook> =
        [Entry::Mutate, Entry::MutateStrict].into_iter().filter_map(of).map(Common::mutating).collect();
    let validating: Vec<ValidatingWebhook> = [Entry::ValidateClosed, Entry::ValidateFail, Entry::ValidateIgnore]
        .into_iter()
        .filter_map(of)
        .map(Common::validating)
        .collect();
    let metadata = metadata(registration.owner.as_deref());
    Configurations {
        // The API server stores an empty list as an absent one.
        mutating: MutatingWebhookConfiguration {
            metadata: metadata.clone(),
            webhooks: (!mutating.is_empty()).then_some(mutating),
        },
        validating: ValidatingWebhookConfiguration {
            metadata,
            webhooks: (!validating.is_empty()).then_some(validating),
        },
    }
}

/// When the rules of the entry that is never skipped have something to say.
pub(crate) fn closed_conditions(set: &PolicySet) -> Vec<MatchCondition> {
    let asked: Vec<Asked<'_>> = set.asked().filter(|asked| asked.by == Entry::ValidateClosed.asker()).collect();
    conditions::joined(&rules::calls(Entry::ValidateClosed, &asked.iter().collect::<Vec<_>>()))
}

impl Entry {
    /// In the order of the configurations.
    pub const ALL: [Self; 5] =
        [Self::Mutate, Self::MutateStrict, Self::ValidateClosed, Self::ValidateFail, Self::ValidateIgnore];

    /// Stands in users' errors and in audit keys.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mutate => "mutate.stateward.dev",
            Self::MutateStrict => "mutate-strict.stateward.dev",
            Self::ValidateClosed => "validate-closed.stateward.dev",
            Self::ValidateFail => "validate-fail.stateward.dev",
            Self::ValidateIgnore => "validate-ignore.stateward.dev",
        }
    }

    /// The server's.
    pub const fn path(self) -> &'static str {
        match self {
            // There every mutating rule is judged, whichever entry it was that asked.
            Self::Mutate | Self::MutateStrict => "/mutate",
            Self::ValidateClosed => "/validate/closed",
            Self::ValidateFail => "/validate/fail",
            Self::ValidateIgnore => "/validate/ignore",
        }
    }

    /// By its name in a configuration.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entry| entry.name() == name)
    }

    /// Whether it changes objects.
    pub const fn mutates(self) -> bool {
        matches!(self, Self::Mutate | Self::MutateStrict)
    }

    /// Whether a failed call to it may refuse a request, once it is known to work.
    pub const fn may_fail(self) -> bool {
        matches!(self, Self::ValidateClosed | Self::ValidateFail)
    }

    const fn asker(self) -> Asker {
        match self {
            Self::Mutate => Asker::Mutate,
            Self::MutateStrict => Asker::MutateStrict,
            Self::ValidateClosed => Asker::Closed,
            Self::ValidateFail => Asker::Fail,
            Self::ValidateIgnore => Asker::Ignore,
        }
    }

    const fn timeout_seconds(self) -> i32 {
        match self {
            Self::Mutate | Self::MutateStrict => MUTATE_SECONDS,
            Self::ValidateClosed | Self::ValidateFail | Self::ValidateIgnore => VALIDATE_SECONDS,
        }
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What both kinds of entry have.
struct Common(ValidatingWebhook);

impl Common {
    fn new(entry: Entry, asked: &[&Asked<'_>], registration: &Registration) -> Self {
        let calls = rules::calls(entry, asked);
        let fails = entry.may_fail() && registration.failing.contains(&entry);
        let conditions = conditions::joined(&calls);
        Self(ValidatingWebhook {
            name: entry.name().to_owned(),
            admission_review_versions: vec!["v1".to_owned()],
            client_config: client_config(entry, registration),
            failure_policy: Some(if fails { FAIL } else { IGNORE }.to_owned()),
            match_conditions: (!conditions.is_empty()).then_some(conditions),
            // All versions of an API are seen, also those that came later.
            match_policy: Some("Equivalent".to_owned()),
            namespace_selector: Some(namespaces(entry, fails, asked, &registration.namespace)),
            // Users could label themselves out.
            object_selector: Some(LabelSelector::default()),
            rules: Some(rules::rules(&calls)),
            // The Event about a warning that nobody reads, and only when not dry-run.
            side_effects: "NoneOnDryRun".to_owned(),
            timeout_seconds: Some(entry.timeout_seconds()),
        })
    }

    fn validating(self) -> ValidatingWebhook {
        self.0
    }

    fn mutating(self) -> MutatingWebhook {
        let ValidatingWebhook {
            admission_review_versions,
            client_config,
            failure_policy,
            match_conditions,
            match_policy,
            name,
            namespace_selector,
            object_selector,
            rules,
            side_effects,
            timeout_seconds,
        } = self.0;
        MutatingWebhook {
            admission_review_versions,
            client_config,
            failure_policy,
            match_conditions,
            match_policy,
            name,
            namespace_selector,
            object_selector,
            // Another webhook may change what we wrote; our changes are idempotent.
            reinvocation_policy: Some("IfNeeded".to_owned()),
            rules,
            side_effects,
            timeout_seconds,
        }
    }
}

/// As narrow as its policies, where all of them are about the same namespaces: a selector cannot say "or". The probe's namespace need not be one of
/// them, so an entry whose failure is to refuse is narrowed once it does: until then it is in nobody's way.
fn namespaces(entry: Entry, fails: bool, asked: &[&Asked<'_>], ours: &str) -> LabelSelector {
    let mut namespaces = selector::of(ours, entry == Entry::MutateStrict);
    let mut selectors = asked.iter().map(|asked| asked.namespaces);
    let first = selectors.next().filter(|_| fails || !entry.may_fail());
    let narrowed = first.filter(|first| selectors.all(|selector| selector == *first));
    let narrowed = narrowed.into_iter().flat_map(Selector::requirements).map(selector::written);
    namespaces.match_expressions.get_or_insert_default().extend(narrowed);
    namespaces
}

fn client_config(entry: Entry, registration: &Registration) -> WebhookClientConfig {
    let (service, url) = match &registration.reach {
        Reach::Service { name, port } => {
            let service = ServiceReference {
                name: name.clone(),
                namespace: registration.namespace.clone(),
                path: Some(entry.path().to_owned()),
                port: Some(i32::from(*port)),
            };
            (Some(service), None)
        }
        Reach::Url(url) => (None, Some(format!("{}{}", url.trim_end_matches('/'), entry.path()))),
    };
    WebhookClientConfig { ca_bundle: registration.ca_bundle.clone().map(ByteString), service, url }
}

/// Of what we register: it belongs to our ClusterRole, whose uid this is.
pub(crate) fn metadata(owner: Option<&str>) -> ObjectMeta {
    let reference = |uid: &str| OwnerReference {
        api_version: "rbac.authorization.k8s.io/v1".to_owned(),
        kind: "ClusterRole".to_owned(),
        name: names::APP.to_owned(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
    };
    let labels = [("app.kubernetes.io/name", names::APP), ("app.kubernetes.io/managed-by", names::FIELD_MANAGER)];
    ObjectMeta {
        name: Some(names::APP.to_owned()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        owner_references: owner.map(|uid| vec![reference(uid)]),
        ..ObjectMeta::default()
    }
}

/// A failed call refuses the request.
pub(crate) const FAIL: &str = "Fail";

/// A failed call lets the request go on.
const IGNORE: &str = "Ignore";

/// A mutating call is added latency, may come twice, and is open on failure: shorter than the other.
const MUTATE_SECONDS: i32 = 3;

/// A cold rule with live look-ups takes 0.2 s; a user waits 5 s without giving up.
const VALIDATE_SECONDS: i32 = 5;

#[cfg(test)]
mod tests;
