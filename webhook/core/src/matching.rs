//! Which requests a policy is about: `spec.match`, compiled. Semantics as in Kubernetes' webhook configurations.

use std::borrow::Cow;

use crate::conditions::Condition;
use crate::labels::Selector;
use crate::policy::SpecError;
use crate::request::{GroupVersionResource, Operation, Request};
use crate::resources::{Match, OperationOrAll, ResourceRule};

/// A compiled `spec.match`. Resources and operations are matched when the set is built, the rest for each request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matcher {
    include: Vec<ResourceRule>,
    exclude: Vec<ResourceRule>,
    /// Empty: every namespace.
    pub namespace_selector: Selector,
    /// Empty: every object.
    pub object_selector: Selector,
    /// All must be true.
    pub conditions: Vec<Condition>,
}

impl Matcher {
    /// Checks and compiles; errors are added to `errors`.
    pub(crate) fn compile(matches: &Match, errors: &mut Vec<SpecError>) -> Self {
        for (field, rules) in
            [("resourceRules", &matches.resource_rules), ("excludeResourceRules", &matches.exclude_resource_rules)]
        {
            for (index, rule) in rules.iter().enumerate() {
                check_rule(rule, &format!("/spec/match/{field}/{index}"), errors);
            }
        }
        let mut compile = |selector: &Option<_>, field: &str| {
            selector
                .as_ref()
                .map(|selector| Selector::compile(selector, &format!("/spec/match/{field}"), errors))
                .unwrap_or_default()
        };
        let namespace_selector = compile(&matches.namespace_selector, "namespaceSelector");
        let object_selector = compile(&matches.object_selector, "objectSelector");
        let mut conditions: Vec<Condition> = Vec::new();
        for (index, condition) in matches.match_conditions.iter().enumerate() {
            let at = format!("/spec/match/matchConditions/{index}");
            if condition.name.is_empty() {
                errors.push(SpecError::new(format!("{at}/name"), "a match condition needs a name".to_owned()));
            } else if conditions.iter().any(|other| other.name() == condition.name) {
                errors.push(SpecError::new(
                    format!("{at}/name"),
                    format!("another match condition is named `{}`", condition.name),
                ));
            }
            match Condition::compile(&condition.name, &condition.expression) {
                Ok(condition) => conditions.push(condition),
                Err(error) => errors.push(SpecError {
                    path: format!("{at}/expression"),
                    message: error.message,
                    hint: error.hint,
                }),
            }
        }
        if matches.match_conditions.len() > MAX_CONDITIONS {
            errors.push(SpecError::new(
                "/spec/match/matchConditions",
                format!("more than {MAX_CONDITIONS} match conditions"),
            ));
        }
        Self {
            include: matches.resource_rules.clone(),
            exclude: matches.exclude_resource_rules.clone(),
            namespace_selector,
            object_selector,
            conditions,
        }
    }

    /// Whether a request to this resource can match, by whatever name.
    pub(crate) fn can_match(&self, resource: &GroupVersionResource<'_>, operation: Operation) -> bool {
        let includes = |rule: &ResourceRule| covers(rule, resource, operation);
        let excludes = |rule: &ResourceRule| rule.resource_names.is_empty() && covers(rule, resource, operation);
        (self.include.is_empty() || self.include.iter().any(includes)) && !self.exclude.iter().any(excludes)
    }

    /// Whether rules that name objects let this request through; the rest of them was decided by [`Self::can_match`].
    pub(crate) fn matches_name(&self, request: &Request<'_>) -> bool {
        let by_name = |rule: &&ResourceRule| !rule.resource_names.is_empty();
        if !self.include.iter().chain(&self.exclude).any(|rule| by_name(&rule)) {
            return true;
        }
        let name = request_name(request);
        let names = |rule: &ResourceRule| {
            covers(rule, &request.resource, request.operation)
                && (rule.resource_names.is_empty()
                    || name.as_deref().is_some_and(|name| rule.resource_names.iter().any(|n| n == name)))
        };
        (self.include.is_empty() || self.include.iter().any(names)) && !self.exclude.iter().any(names)
    }
}

/// The name in the request, else the object's own: a deleted collection arrives without the former.
pub(crate) fn request_name<'r>(request: &'r Request<'_>) -> Option<Cow<'r, str>> {
    if let Some(name) = request.name.as_deref() {
        return Some(Cow::Borrowed(name));
    }
    let head = crate::object::Head::read(request.subject()?)?;
    head.metadata?.name.map(|name| name.0)
}

/// Kubernetes' rule matcher. `*` is all main resources, `pods/*` pods and what is below, `*/*` everything.
fn covers(rule: &ResourceRule, resource: &GroupVersionResource<'_>, operation: Operation) -> bool {
    let any_of = |wanted: &[String], actual: &str| wanted.iter().any(|w| w == "*" || w == actual);
    let covers_operation = rule.operations.is_empty()
        || rule.operations.iter().any(|o| matches!(o, OperationOrAll::All(_)) || *o == OperationOrAll::One(operation));
    let covers_resource = rule.resources.iter().any(|wanted| {
        let (wanted, subresource) = wanted.split_once('/').unwrap_or((wanted, ""));
        (wanted == "*" || wanted == resource.resource) && (subresource == "*" || subresource == resource.subresource)
    });
    covers_operation
        && covers_resource
        && any_of(&rule.api_groups, &resource.group)
        && any_of(&rule.api_versions, &resource.version)
}

fn check_rule(rule: &ResourceRule, path: &str, errors: &mut Vec<SpecError>) {
    for (field, list) in
        [("apiGroups", &rule.api_groups), ("apiVersions", &rule.api_versions), ("resources", &rule.resources)]
    {
        if list.is_empty() {
            errors.push(
                SpecError::new(format!("{path}/{field}"), format!("`{field}` is empty: it would match nothing"))
                    .hint("leave it out to match all"),
            );
        }
        if list.len() > 1 && list.iter().any(|item| item == "*") && field != "resources" {
            errors.push(SpecError::new(format!("{path}/{field}"), "`*` stands alone".to_owned()));
        }
    }
    for (index, resource) in rule.resources.iter().enumerate() {
        let mut parts = resource.split('/');
        let part = |part: Option<&str>| part.is_none_or(|part| part == "*" || is_resource(part));
        let is_good =
            parts.next().is_some_and(|first| part(Some(first))) && part(parts.next()) && parts.next().is_none();
        if !is_good {
            errors.push(
                SpecError::new(format!("{path}/resources/{index}"), format!("`{resource}` is not a resource"))
                    .hint("plural and lower case, e.g. `statefulsets`, `statefulsets/scale`, `pods/*`, `*/scale`"),
            );
        }
    }
}

fn is_resource(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
}

/// As in Kubernetes' webhook configurations.
const MAX_CONDITIONS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(resources: &[&str]) -> ResourceRule {
        ResourceRule {
            api_groups: vec!["*".into()],
            api_versions: vec!["*".into()],
            resources: resources.iter().map(|r| (*r).to_owned()).collect(),
            ..ResourceRule::default()
        }
    }

    fn at(resource: &str) -> GroupVersionResource<'_> {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        GroupVersionResource {
            group: "apps".into(),
            version: "v1".into(),
            resource: resource.into(),
            subresource: subresource.into(),
        }
    }

    #[test]
    fn resources_match_as_in_kubernetes() {
        for (wanted, matching, other) in [
            ("*", &["pods", "statefulsets"][..], &["pods/status"][..]),
            ("*/*", &["pods", "pods/status"], &[]),
            ("pods", &["pods"], &["pods/status", "statefulsets"]),
            ("pods/*", &["pods", "pods/status"], &["statefulsets/status"]),
            ("*/scale", &["statefulsets/scale", "deployments/scale"], &["statefulsets", "pods/status"]),
            ("statefulsets/scale", &["statefulsets/scale"], &["deployments/scale", "statefulsets"]),
        ] {
            for resource in matching {
                assert!(covers(&rule(&[wanted]), &at(resource), Operation::Create), "{wanted} {resource}");
            }
            for resource in other {
                assert!(!covers(&rule(&[wanted]), &at(resource), Operation::Create), "{wanted} {resource}");
            }
        }
    }

    #[test]
    fn refuses_what_names_no_resource() {
        for (bad, good) in [("Pods", "pods"), ("a/b/c", "a/b"), ("", "*"), ("pods/", "pods/*"), ("po ds", "*/*")] {
            for (resource, count) in [(bad, 1), (good, 0)] {
                let mut errors = Vec::new();
                check_rule(&rule(&[resource]), "/x", &mut errors);
                assert_eq!(errors.len(), count, "{resource}");
            }
        }
    }

    #[test]
    fn excluded_names_are_taken_away_again() {
        let mut excluded = rule(&["statefulsets"]);
        excluded.resource_names = vec!["kept-out".into()];
        let matcher = Matcher { exclude: vec![excluded], ..Matcher::default() };
        assert!(matcher.can_match(&at("statefulsets"), Operation::Update));
        for (name, matches) in [("kept-out", false), ("other", true)] {
            let mut request = crate::testing::request(Operation::Update, "{}");
            request.name = Some(name.into());
            assert_eq!(matcher.matches_name(&request), matches, "{name}");
        }
    }
}
