//! What is said of one stored object, as an object of `openreports.io/v1alpha1`: a Report beside it, or a ClusterReport where it has no namespace.
//!
//! Its name is the object's uid and the object owns it, so that it goes with it; so do Kyverno's and Kubewarden's, and Policy Reporter reads all three alike.
//! What a file holds has no uid: then nobody owns the report, its name comes from kind, namespace and name, and its label keeps the leader from taking it for
//! one of its own.
//! The same verdict is the same bytes but for the time: [`OpenReport::digest`] leaves that out, so whoever stores reports can tell whether to write.

mod list;
mod results;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use stateward_core::manifest::Severity;
use stateward_core::policy_set::PolicySet;
use stateward_core::request::{GroupVersionKind, GroupVersionResource};
use stateward_core::verdict::Verdict;

pub use list::write;
use results::{Kind, summary};

/// The API's group and version.
pub const GROUP: &str = "openreports.io";
/// As above.
pub const VERSION: &str = "v1alpha1";
/// Label of ours: who wrote it.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "stateward");
/// The label's value where the report is about what is in a file.
pub const CHECKED: &str = "stateward-check";
/// Label of ours: what the report is about, such as `statefulsets.apps`; [`resource_label`] makes its value.
pub const RESOURCE: &str = "stateward.dev/resource";
/// Annotation of ours: [`OpenReport::digest`].
pub const DIGEST: &str = "stateward.dev/results";
/// Annotation of ours: the generation that the API server gives to what was written.
pub const GENERATION: &str = "stateward.dev/generation";

/// The object that a report is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Group, version and kind.
    pub kind: &'a GroupVersionKind<'a>,
    /// Where it is served.
    pub resource: &'a GroupVersionResource<'a>,
    /// `None` where its kind has none.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
    /// `None` where it is not stored.
    pub uid: Option<&'a str>,
}

/// A Report or a ClusterReport.
#[derive(Clone, Debug)]
pub struct OpenReport {
    /// `None`: a ClusterReport.
    pub namespace: Option<String>,
    /// Its name: the uid of what it is about, or a digest of what that is called.
    pub name: String,
    /// Of all that it says, without when: 16 hexadecimal digits.
    pub digest: String,
    /// The whole object.
    pub object: Value,
}

/// The label's value of a resource, `plural.group`. One that is too long for a label is cut, and ends in a digest of the whole.
pub fn resource_label(resource: &str) -> Cow<'_, str> {
    if resource.len() <= MOST_IN_LABEL {
        return Cow::Borrowed(resource);
    }
    let digest = hex(resource, 8);
    let start = resource.get(..MOST_IN_LABEL - 1 - digest.len()).unwrap_or_default();
    Cow::Owned(format!("{start}-{digest}"))
}

/// What rules are called under in reports.
pub struct Catalogue {
    rules: BTreeMap<String, (String, Severity)>,
}

impl Catalogue {
    /// Of all rules of the policies.
    pub fn new(set: &PolicySet) -> Self {
        let rules = set.policies().iter().flat_map(|policy| policy.rules());
        let rules = rules.map(|(rule, _)| (rule.id.clone(), (rule.category.clone(), rule.severity)));
        Self { rules: rules.collect() }
    }

    /// What the verdict says of the object; `None` where nothing is wrong with it and nothing was left open, but for a StatefulSet: one without a report was
    /// not looked at. A thousand pods that pass would be a thousand objects in etcd that say nothing.
    ///
    /// Denials first, then errors, warnings and what is exempt, at most [`MOST_RESULTS`]; the summary counts all. `seconds`: when, since 1970.
    pub fn report(
        &self,
        subject: Subject<'_>,
        verdict: &Verdict,
        seconds: impl Into<Option<i64>>,
    ) -> Option<OpenReport> {
        let mut results = self.results(verdict, &subject.report_name());
        let is_silent = results.iter().all(|result| result.kind == Kind::Unasked);
        if is_silent && subject.kind.kind != "StatefulSet" {
            return None;
        }
        results.sort_by_key(|result| result.kind);
        let summary = summary(verdict, &results);
        let results = results.into_iter().take(MOST_RESULTS).map(|result| result.value).collect();
        Some(subject.report(&summary, results, seconds.into()))
    }
}

impl OpenReport {
    /// Without what refuses nothing and is not warned of; the summary still counts it. `None` where nothing is left. It has no digest any more: it says
    /// less than what whoever stores reports would write.
    pub fn only_failures(mut self) -> Option<Self> {
        let results = self.object.get_mut("results").and_then(Value::as_array_mut)?;
        results.retain(is_failure);
        let is_empty = results.is_empty();
        if let Some(annotations) = self.object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove(DIGEST);
        }
        self.digest.clear();
        (!is_empty).then_some(self)
    }
}

/// Refused, warned of, or a policy that broke.
fn is_failure(result: &Value) -> bool {
    let action = result.pointer("/properties/action").and_then(Value::as_str);
    let is_policy = result.get("rule").is_none() && result.get("result").is_some_and(|result| result == "error");
    is_policy
        || (matches!(action, Some("Deny" | "Warn")) && result.get("result").is_some_and(|result| result != "error"))
}

impl Subject<'_> {
    fn report(self, summary: &Value, mut results: Vec<Map<String, Value>>, seconds: Option<i64>) -> OpenReport {
        let GroupVersionResource { group, resource, .. } = self.resource;
        let resource = if group.is_empty() { resource.to_string() } else { format!("{resource}.{group}") };
        let digest = digest(&self.object(&resource, "", summary, &results));
        if let Some(seconds) = seconds {
            let stamp = json!({ "seconds": seconds, "nanos": 0 });
            for result in &mut results {
                result.insert("timestamp".to_owned(), stamp.clone());
            }
        }
        let object = self.object(&resource, &digest, summary, &results);
        OpenReport { namespace: self.namespace.map(str::to_owned), name: self.report_name(), digest, object }
    }

    fn report_name(&self) -> String {
        let GroupVersionKind { group, kind, .. } = self.kind;
        let of_file = || hex([group, kind, self.namespace.unwrap_or_default(), self.name].join("\0"), 16);
        self.uid.map_or_else(of_file, str::to_owned)
    }

    fn object(self, resource: &str, digest: &str, summary: &Value, results: &[Map<String, Value>]) -> Value {
        let GroupVersionKind { group, version, kind } = self.kind;
        let api_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
        let mut scope = reference(&[("apiVersion", &api_version), ("kind", kind), ("name", self.name)]);
        let mut metadata = reference(&[("name", &self.report_name())]);
        let managed_by = if self.uid.is_some() { MANAGED_BY.1 } else { CHECKED };
        metadata.insert("labels".to_owned(), json!({ MANAGED_BY.0: managed_by, RESOURCE: resource_label(resource) }));
        metadata.insert("annotations".to_owned(), json!({ DIGEST: digest }));
        if let Some(uid) = self.uid {
            scope.insert("uid".to_owned(), uid.into());
            metadata.insert("ownerReferences".to_owned(), json!([scope]));
        }
        if let Some(namespace) = self.namespace {
            scope.insert("namespace".to_owned(), namespace.into());
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": if self.namespace.is_some() { "Report" } else { "ClusterReport" },
            "metadata": metadata,
            "source": MANAGED_BY.1,
            "scope": scope,
            "configuration": { "limits": { "maxResults": MOST_RESULTS, "statusFilter": ["fail", "error", "warn", "skip"] } },
            "summary": summary,
            "results": results,
        })
    }
}

fn reference(fields: &[(&str, &str)]) -> Map<String, Value> {
    fields.iter().map(|&(name, text)| (name.to_owned(), text.into())).collect()
}

/// The object is always made in the same way, so the same words have the same bytes.
fn digest(object: &Value) -> String {
    hex(object.to_string(), 8)
}

/// The first bytes of a text's hash.
fn hex(text: impl AsRef<[u8]>, bytes: usize) -> String {
    Sha256::digest(text).iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

/// A set that breaks every rule has 40 results, 20 KB.
pub const MOST_RESULTS: usize = 100;

/// Kubernetes' limit; a group alone may have 253.
const MOST_IN_LABEL: usize = 63;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use stateward_core::manifest::{Action, Profile};
    use stateward_core::trace::{PolicyTrace, ProfileSource, Trace};
    use stateward_core::verdict::{ExemptedBy, Ruling, Step, StepKind};

    use super::results::MOST_CHARACTERS;
    use super::*;

    fn catalogue() -> Catalogue {
        let rules = [("a/deny", Severity::Critical), ("a/warn", Severity::Low)];
        Catalogue { rules: rules.map(|(id, severity)| (id.to_owned(), ("ordered".to_owned(), severity))).into() }
    }

    fn ruling(rule: &str, action: Action, steps: &[(StepKind, Action)]) -> Ruling {
        Ruling {
            policy: "p".to_owned(),
            rule: rule.to_owned(),
            severity: Severity::High,
            action,
            steps: steps.iter().map(|&(by, action)| Step { by, action, detail: String::new() }).collect(),
            path: "/spec".to_owned(),
            place: "spec".to_owned(),
            message: "wrong".to_owned(),
            hint: Some("right".to_owned()),
            remedy: None,
            exemption: None,
        }
    }

    fn verdict(rulings: Vec<Ruling>) -> Verdict {
        let rules = ["a/deny", "a/warn", "a/pass"].map(str::to_owned).to_vec();
        let asked = PolicyTrace {
            policy: "p".to_owned(),
            skipped: None,
            profile: Profile::Baseline,
            profile_from: ProfileSource::Policy,
            rules,
            ran_us: None,
        };
        let trace = Trace { policies: vec![asked], ..Trace::default() };
        Verdict { rulings, trace: Some(trace), ..Verdict::default() }
    }

    fn report(kind: &'static str, verdict: &Verdict, seconds: i64) -> Option<OpenReport> {
        let kind = GroupVersionKind { group: "apps".into(), version: "v1".into(), kind: kind.into() };
        let resource =
            GroupVersionResource { group: "apps".into(), resource: "statefulsets".into(), ..Default::default() };
        let subject =
            Subject { kind: &kind, resource: &resource, namespace: Some("shop"), name: "db", uid: Some("u-1") };
        catalogue().report(subject, verdict, seconds)
    }

    #[test]
    fn only_what_is_said_makes_another_digest() {
        let denied = verdict(vec![ruling("a/deny", Action::Deny, &[])]);
        let (one, later) = (report("StatefulSet", &denied, 1).unwrap(), report("StatefulSet", &denied, 2).unwrap());
        assert_eq!(one.digest, later.digest);
        assert_ne!(one.object, later.object, "the time");
        let other = report("StatefulSet", &verdict(vec![ruling("a/deny", Action::Warn, &[])]), 1).unwrap();
        assert_ne!(one.digest, other.digest);
    }

    #[test]
    fn denials_come_first_and_all_is_counted() {
        let exempt = Ruling {
            exemption: Some(ExemptedBy {
                namespace: "shop".to_owned(),
                name: "old".to_owned(),
                reason: "later".to_owned(),
                expires: serde_json::from_value(json!("2100-01-01T00:00:00Z")).unwrap(),
            }),
            ..ruling("a/deny", Action::Audit, &[])
        };
        let mut rulings = vec![ruling("a/warn", Action::Warn, &[]), exempt];
        rulings.extend(vec![ruling("a/deny", Action::Deny, &[]); MOST_RESULTS]);
        let report = report("StatefulSet", &verdict(rulings), 1).unwrap();
        let results = report.object["results"].as_array().unwrap();
        assert_eq!(results.len(), MOST_RESULTS);
        assert!(results.iter().all(|result| result["result"] == "fail"));
        assert_eq!(
            report.object["summary"],
            json!({"pass": 1, "fail": MOST_RESULTS, "warn": 1, "error": 0, "skip": 1})
        );
    }

    /// An audit of a policy in mode Audit is there to show what it would refuse.
    #[test]
    fn a_mode_hides_no_denial() {
        let steps = [(StepKind::Profile, Action::Deny), (StepKind::Mode, Action::Audit)];
        let report = report("Pod", &verdict(vec![ruling("a/deny", Action::Audit, &steps)]), 1).unwrap();
        let result = &report.object["results"][0];
        assert_eq!((&result["result"], &result["properties"]["action"]), (&json!("fail"), &json!("Audit")));
        assert_eq!((&result["severity"], &result["category"]), (&json!("critical"), &json!("ordered")));
    }

    #[test]
    fn of_what_passes_only_a_set_has_a_report() {
        assert!(report("Pod", &verdict(vec![]), 1).is_none());
        let passed = report("StatefulSet", &verdict(vec![]), 1).unwrap();
        assert_eq!(passed.object["summary"]["pass"], 3);
    }

    /// The leader sweeps what has its label and that it did not see.
    #[test]
    fn what_is_in_a_file_has_neither_owner_nor_time() {
        let kind = GroupVersionKind { group: "apps".into(), version: "v1".into(), kind: "StatefulSet".into() };
        let resource =
            GroupVersionResource { group: "apps".into(), resource: "statefulsets".into(), ..Default::default() };
        let denied = verdict(vec![ruling("a/deny", Action::Deny, &[])]);
        let of = |name| {
            let subject = Subject { kind: &kind, resource: &resource, namespace: Some("shop"), name, uid: None };
            catalogue().report(subject, &denied, None).unwrap()
        };
        let report = of("db");
        let metadata = &report.object["metadata"];
        assert_eq!((metadata.get("ownerReferences"), report.object["scope"].get("uid")), (None, None));
        assert_eq!(report.object["results"][0].get("timestamp"), None);
        assert_eq!(metadata["labels"][MANAGED_BY.0], CHECKED);
        assert_eq!((report.name.len(), &metadata["name"]), (32, &json!(report.name)));
        assert_ne!(report.name, of("web").name);
    }

    #[test]
    fn only_failures_leave_what_fails_or_warns() {
        let audited = ruling("a/warn", Action::Audit, &[]);
        let both = verdict(vec![ruling("a/deny", Action::Deny, &[]), audited.clone()]);
        let failing = report("StatefulSet", &both, 1).unwrap().only_failures().unwrap();
        assert_eq!(failing.object["results"].as_array().unwrap().len(), 1);
        assert_eq!((&failing.object["summary"]["warn"], failing.digest.as_str()), (&json!(1), ""));
        assert!(report("StatefulSet", &verdict(vec![audited]), 1).unwrap().only_failures().is_none());
    }

    /// Policy Reporter takes results of the same words for one.
    #[test]
    fn each_result_has_an_id_that_stays() {
        let at = |place: &str| Ruling { place: place.to_owned(), ..ruling("a/deny", Action::Deny, &[]) };
        let ids = |rulings: Vec<Ruling>| {
            let report = report("StatefulSet", &verdict(rulings), 1).unwrap();
            let results = report.object["results"].as_array().unwrap().clone();
            results
                .iter()
                .map(|result| result["properties"]["resultID"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let all = ids(vec![at("a"), at("b"), at("b")]);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 3);
        assert!(all.iter().all(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        let reworded = Ruling { message: "other words".to_owned(), ..at("b") };
        assert_eq!(ids(vec![reworded]), all[1..2]);
    }

    #[test]
    fn a_label_is_never_too_long() {
        assert_eq!(resource_label("statefulsets.apps"), "statefulsets.apps");
        let long = |end: &str| format!("databases.{}.example.{end}", "a".repeat(60));
        let (one, other) = (long("com"), long("org"));
        let (one, other) = (resource_label(&one), resource_label(&other));
        assert_eq!((one.len(), other.len()), (MOST_IN_LABEL, MOST_IN_LABEL));
        assert_ne!(one, other);
        let group = "a".repeat(60);
        let resource =
            GroupVersionResource { group: group.as_str().into(), resource: "databases".into(), ..Default::default() };
        let kind = GroupVersionKind { group: "apps".into(), version: "v1".into(), kind: "StatefulSet".into() };
        let subject = Subject { kind: &kind, resource: &resource, namespace: None, name: "db", uid: Some("u-1") };
        let report = catalogue().report(subject, &verdict(vec![]), 1).unwrap();
        assert_eq!(report.object["metadata"]["labels"][RESOURCE], json!(resource_label(&format!("databases.{group}"))));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let long = Ruling { message: "ä".repeat(5_000), ..ruling("a/warn", Action::Warn, &[]) };
        let report = report("Pod", &verdict(vec![long]), 1).unwrap();
        assert_eq!(report.object["results"][0]["message"].as_str().unwrap().chars().count(), MOST_CHARACTERS + 2);
    }
}
