//! `PolicyExemption`: turns Deny and Warn of some rules into Audit, for some objects of its namespace, for a time.

mod beside_policies;
mod maker;
mod reach;

pub use beside_policies::Complaint;
pub(crate) use beside_policies::complaints;
pub use maker::made_by;
pub use reach::{Reached, ReachedRules, Reaches, Tally};

use jiff::{SignedDuration, Timestamp};

use crate::labels::Selector;
use crate::object::{Head, value_of};
use crate::policy::{SpecError, selects};
use crate::request::Request;
use crate::resources::PolicyExemption;
use crate::verdict::ExemptedBy;

/// A compiled `PolicyExemption`.
#[derive(Clone, Debug)]
pub(crate) struct Exemption {
    pub namespace: String,
    name: String,
    reason: String,
    rules: Vec<String>,
    names: Vec<String>,
    selector: Option<Selector>,
    expires: Timestamp,
}

/// An exemption that exempts nothing, whatever the policies are: a set takes no notice of it, and people should.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongExemption {
    /// Of the exemption; `None` where a file leaves it out.
    pub namespace: Option<String>,
    /// Of the exemption.
    pub name: String,
    /// As far as it can be read.
    pub resource: Option<PolicyExemption>,
    /// Why.
    pub errors: Vec<SpecError>,
}

/// What is wrong with an exemption; empty when nothing is. With `now`, also that it does not reach further than 90 days.
pub fn check(exemption: &PolicyExemption, now: Option<Timestamp>) -> Vec<SpecError> {
    let spec = &exemption.spec;
    let mut errors = Vec::new();
    if spec.reason.trim().is_empty() {
        errors.push(
            SpecError::new("/spec/reason", "an exemption needs a reason")
                .hint("who reads the audit log wants to know why"),
        );
    }
    if spec.rules.is_empty() {
        errors.push(SpecError::new("/spec/rules", "names no rule").hint("rule ids or `family/*`"));
    }
    for (n, rule) in spec.rules.iter().enumerate() {
        if rule.split('/').count() != 2 || rule.split('/').any(str::is_empty) {
            errors.push(SpecError::new(
                format!("/spec/rules/{n}"),
                format!("`{rule}` is neither a rule id nor `family/*`"),
            ));
        }
    }
    for (n, name) in spec.names.iter().enumerate().filter(|(_, name)| !is_name(name)) {
        errors.push(
            SpecError::new(format!("/spec/names/{n}"), format!("`{name}` is not a name: names are compared whole"))
                .hint("the names of single objects; for more of them a `selector` on their labels"),
        );
    }
    if spec.names.is_empty() && spec.selector.is_none() {
        errors.push(
            SpecError::new("/spec/names", "names no object, and there is no `selector`")
                .hint("names of objects; `selector: {}` is every object of the namespace"),
        );
    }
    if let Some(selector) = &spec.selector {
        Selector::compile(selector, "/spec/selector", &mut errors);
    }
    match expires(exemption) {
        None => errors.push(
            SpecError::new("/spec/expires", "is missing, and nothing says when the exemption was created")
                .hint("exemptions end: write a time within the next 90 days"),
        ),
        Some(expires) if now.is_some_and(|now| expires.duration_since(now) > MAX_LIFE) => {
            let error = SpecError::new("/spec/expires", format!("`{expires}` is more than 90 days away"));
            errors.push(error.hint("exemptions end; renew it when the time comes"));
        }
        Some(_) => {}
    }
    errors
}

/// No object's name has one of these: a pattern or `kind/name` would exempt nothing, without a word.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| matches!(c, '*' | '?' | '/') || c.is_whitespace())
}

/// When it ends: as it says, else 90 days after its creation.
pub fn expires(exemption: &PolicyExemption) -> Option<Timestamp> {
    let from_creation = || exemption.metadata.creation_timestamp?.checked_add(MAX_LIFE).ok();
    exemption.spec.expires.or_else(from_creation)
}

impl Exemption {
    /// Of an exemption that [`check`] has nothing against.
    pub(crate) fn compile(exemption: &PolicyExemption) -> Self {
        let spec = &exemption.spec;
        Self {
            // As kubectl does with files that name none.
            namespace: exemption.metadata.namespace.clone().unwrap_or_else(|| "default".to_owned()),
            name: exemption.metadata.name.clone(),
            reason: spec.reason.clone(),
            rules: spec.rules.clone(),
            names: spec.names.clone(),
            selector: spec.selector.as_ref().map(|selector| Selector::compile(selector, "", &mut Vec::new())),
            // Never without: that has been refused.
            expires: expires(exemption).unwrap_or(Timestamp::MIN),
        }
    }

    /// Whether it covers this rule on this object now.
    pub(crate) fn covers(&self, rule: &str, subject: &Exemptible<'_>, now: Timestamp) -> bool {
        now < self.expires && self.rules.iter().any(|pattern| selects(pattern, rule)) && self.covers_object(subject)
    }

    /// Whose it is, for who reads the finding.
    pub(crate) fn named(&self) -> ExemptedBy {
        let Self { namespace, name, reason, expires, .. } = self;
        ExemptedBy { namespace: namespace.clone(), name: name.clone(), reason: reason.clone(), expires: *expires }
    }

    /// For steps and annotations.
    pub(crate) fn describe(&self) -> String {
        format!("{}/{}: {}", self.namespace, self.name, self.reason)
    }

    fn covers_object(&self, subject: &Exemptible<'_>) -> bool {
        let by_name = subject.name.is_some_and(|name| self.names.iter().any(|n| n == name));
        by_name || self.selector.as_ref().is_some_and(|selector| subject.is_selected(selector))
    }
}

/// What exemptions look at.
pub(crate) struct Exemptible<'r> {
    name: Option<&'r str>,
    labels: Option<&'r [(std::borrow::Cow<'r, str>, std::borrow::Cow<'r, str>)]>,
}

impl<'r> Exemptible<'r> {
    pub(crate) fn new(request: &'r Request<'_>, head: Option<&'r Head<'r>>) -> Self {
        let own_name = || Some(head?.metadata.as_ref()?.name.as_ref()?.0.as_ref());
        Self { name: request.name.as_deref().or_else(own_name), labels: head.and_then(Head::labels) }
    }

    /// An empty selector selects what can have no labels, too.
    fn is_selected(&self, selector: &Selector) -> bool {
        match self.labels {
            Some(labels) => selector.matches(|key| value_of(labels, key)),
            None => selector.is_empty(),
        }
    }
}

/// DESIGN section 6.
const MAX_LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn complains(spec: &str, expected: &[&str]) {
        let text = format!(r#"{{"metadata":{{"name":"e","namespace":"prod"}},"spec":{spec}}}"#);
        let exemption: PolicyExemption = serde_json::from_str(&text).unwrap();
        let told: Vec<String> =
            check(&exemption, Some(Timestamp::UNIX_EPOCH)).iter().map(ToString::to_string).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn ends_90_days_after_its_creation_unless_it_says_otherwise() {
        let read = |created: &str, spec: &str| -> PolicyExemption {
            let spec = format!(r#"{{"rules":["a/b"],"names":["n"],"reason":"r"{spec}}}"#);
            serde_json::from_str(&format!(r#"{{"metadata":{{"name":"e"{created}}},"spec":{spec}}}"#)).unwrap()
        };
        let created = r#","creationTimestamp":"1970-01-01T00:00:00Z""#;
        let told = |exemption| {
            let told = check(&exemption, Some(Timestamp::UNIX_EPOCH));
            (
                told.iter().map(ToString::to_string).collect::<Vec<_>>(),
                Exemption::compile(&exemption).expires.to_string(),
            )
        };
        assert_eq!(told(read(created, "")), (vec![], "1970-04-01T00:00:00Z".to_owned()));
        let early = r#","expires":"1970-01-02T00:00:00Z""#;
        assert_eq!(told(read(created, early)), (vec![], "1970-01-02T00:00:00Z".to_owned()));
        assert_eq!(told(read("", early)), (vec![], "1970-01-02T00:00:00Z".to_owned()));
        let missing = "/spec/expires: is missing, and nothing says when the exemption was created".to_owned();
        for not_created in ["", r#","creationTimestamp":null"#] {
            let (told, expires) = told(read(not_created, ""));
            assert_eq!((told, expires), (vec![missing.clone()], Timestamp::MIN.to_string()));
        }
    }

    #[test]
    fn says_what_is_wrong_with_an_exemption() {
        complains(r#"{"rules":["a/b","a/*"],"names":["n"],"reason":"r","expires":"1970-03-31T00:00:00Z"}"#, &[]);
        complains(
            r#"{"rules":["a/b"],"names":["n"],"reason":" ","expires":"1970-02-01T00:00:00Z"}"#,
            &["/spec/reason: an exemption needs a reason"],
        );
        complains(
            r#"{"rules":[],"names":["n"],"reason":"r","expires":"1970-02-01T00:00:00Z"}"#,
            &["/spec/rules: names no rule"],
        );
        complains(
            r#"{"rules":["*","a/b"],"names":["n"],"reason":"r","expires":"1970-02-01T00:00:00Z"}"#,
            &["/spec/rules/0: `*` is neither a rule id nor `family/*`"],
        );
        complains(
            r#"{"rules":["a/b"],"reason":"r","expires":"1970-04-02T00:00:00Z","names":["n","","db-*","pod/db"]}"#,
            &[
                "/spec/names/1: `` is not a name: names are compared whole",
                "/spec/names/2: `db-*` is not a name: names are compared whole",
                "/spec/names/3: `pod/db` is not a name: names are compared whole",
                "/spec/expires: `1970-04-02T00:00:00Z` is more than 90 days away",
            ],
        );
    }

    #[test]
    fn a_whole_namespace_is_exempt_only_where_it_says_so() {
        for names in ["", r#""names":[],"#] {
            let spec = format!(r#"{{{names}"rules":["a/b"],"reason":"r","expires":"1970-02-01T00:00:00Z"}}"#);
            complains(&spec, &["/spec/names: names no object, and there is no `selector`"]);
        }
        complains(r#"{"rules":["a/b"],"selector":{},"reason":"r","expires":"1970-02-01T00:00:00Z"}"#, &[]);
    }
}
