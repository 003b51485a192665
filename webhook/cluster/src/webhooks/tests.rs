use std::sync::LazyLock;

use stateward_core::request::{GroupVersionResource, Operation};

use super::*;

fn resource(group: &str, resource: &str, subresource: &str) -> GroupVersionResource<'static> {
    GroupVersionResource {
        group: group.to_owned().into(),
        version: "v1".into(),
        resource: resource.to_owned().into(),
        subresource: subresource.to_owned().into(),
    }
}

static ANYWHERE: LazyLock<Selector> = LazyLock::new(Selector::default);

fn asked<'a>(resource: &'a GroupVersionResource<'static>, operation: Operation, condition: &'a str) -> Asked<'a> {
    Asked {
        by: Asker::Mutate,
        resource,
        operation,
        namespaces: &ANYWHERE,
        condition: Some(condition).filter(|condition| !condition.is_empty()),
    }
}

fn expressions(asked: &[Asked<'_>]) -> Vec<(String, String)> {
    let asked: Vec<&Asked<'_>> = asked.iter().collect();
    let joined = conditions::joined(&rules::calls(Entry::Mutate, &asked));
    joined.into_iter().map(|condition| (condition.name, condition.expression)).collect()
}

#[test]
fn resources_with_the_same_operations_share_a_rule() {
    let [pods, claims, sets, scale] = [
        resource("", "pods", ""),
        resource("", "persistentvolumeclaims", ""),
        resource("apps", "statefulsets", ""),
        resource("apps", "statefulsets", "scale"),
    ];
    let asked = [
        asked(&pods, Operation::Delete, ""),
        asked(&pods, Operation::Create, ""),
        asked(&claims, Operation::Create, ""),
        asked(&claims, Operation::Delete, "a"),
        asked(&sets, Operation::Update, ""),
        asked(&scale, Operation::Update, ""),
    ];
    let asked: Vec<&Asked<'_>> = asked.iter().collect();
    let calls = rules::calls(Entry::Mutate, &asked);
    let lines: Vec<String> = rules::rules(&calls)
        .into_iter()
        .map(|rule| {
            let join = |list: Option<Vec<String>>| list.unwrap_or_default().join(",");
            format!("{} {} {}", join(rule.api_groups), join(rule.resources), join(rule.operations))
        })
        .collect();
    assert_eq!(
        lines,
        [" persistentvolumeclaims,pods CREATE,DELETE", "apps statefulsets,statefulsets/scale UPDATE"],
        "no request more than the subjects name"
    );
}

#[test]
fn a_condition_counts_for_its_own_requests_only() {
    let (pods, status) = (resource("", "pods", ""), resource("", "pods", "status"));
    let both = [
        asked(&pods, Operation::Create, "object.a"),
        asked(&pods, Operation::Update, "object.b"),
        asked(&pods, Operation::Create, "c"),
        asked(&status, Operation::Update, "d"),
    ];
    assert_eq!(
        expressions(&both),
        [(
            "pods".to_owned(),
            "request.resource.group != '' || request.resource.resource != 'pods' || (\
             (!has(request.subResource) || request.subResource == '') ? (\
             (request.operation == 'CREATE') ? ((c) || (object.a)) : \
             (request.operation == 'UPDATE') ? ((object.b)) : true) : \
             (has(request.subResource) && request.subResource == 'status') ? (\
             (request.operation == 'UPDATE') ? ((d)) : true) : true)"
                .to_owned()
        )]
    );
}

#[test]
fn one_rule_without_a_condition_makes_the_others_pointless() {
    let sets = resource("apps", "statefulsets", "");
    let create = [asked(&sets, Operation::Create, "a"), asked(&sets, Operation::Create, "")];
    assert_eq!(expressions(&create), []);
    let reversed = [asked(&sets, Operation::Create, ""), asked(&sets, Operation::Create, "a")];
    assert_eq!(expressions(&reversed), []);
    let other = [asked(&sets, Operation::Create, ""), asked(&sets, Operation::Delete, "a")];
    let [(name, expression)] = &expressions(&other)[..] else { panic!() };
    assert_eq!(name, "statefulsets.apps");
    assert!(!expression.contains("CREATE"), "{expression}");
}

#[test]
fn more_resources_than_conditions_are_sent_unconditionally() {
    let resources: Vec<_> = (0..70).map(|n| resource("", &format!("r{n:02}"), "")).collect();
    let asked: Vec<Asked<'_>> = resources.iter().map(|resource| asked(resource, Operation::Create, "a")).collect();
    assert_eq!(expressions(&asked).len(), 64);
}

#[test]
fn nothing_installed_is_nothing_registered() {
    let registration = Registration {
        namespace: "ours".to_owned(),
        reach: Reach::Url("https://127.0.0.1:8443/".to_owned()),
        ca_bundle: None,
        owner: None,
        failing: Entry::ALL.into(),
    };
    let empty = configurations(&PolicySet::default(), &registration);
    assert_eq!((empty.mutating.webhooks, empty.validating.webhooks), (None, None));
    assert_eq!(empty.validating.metadata.name.as_deref(), Some("stateward"));
    let config = client_config(Entry::ValidateClosed, &registration);
    assert_eq!(config.url.as_deref(), Some("https://127.0.0.1:8443/validate/closed"));
    assert_eq!(config.service, None);
}

#[test]
fn only_what_may_refuse_ever_does() {
    let sets = resource("apps", "statefulsets", "");
    let asked = asked(&sets, Operation::Create, "");
    let registration = Registration {
        namespace: "ours".to_owned(),
        reach: Reach::Service { name: "s".to_owned(), port: 443 },
        ca_bundle: None,
        owner: None,
        failing: Entry::ALL.into(),
    };
    let policy = |entry| Common::new(entry, &[&asked], &registration).0.failure_policy.unwrap();
    assert_eq!(Entry::ALL.map(policy), ["Ignore", "Ignore", "Fail", "Fail", "Ignore"]);
}

#[test]
fn an_entry_is_as_narrow_as_its_policies() {
    let sets = resource("apps", "statefulsets", "");
    let anywhere = asked(&sets, Operation::Create, "");
    let shops = Selector::parse("team=shop").unwrap();
    let in_shops = Asked { namespaces: &shops, ..anywhere.clone() };
    let keys = |entry, fails, asked: &[&Asked<'_>]| -> Vec<String> {
        let all = namespaces(entry, fails, asked, "ours").match_expressions.unwrap();
        all.into_iter().map(|requirement| requirement.key).collect()
    };
    let (name, team) = ("kubernetes.io/metadata.name", "team");
    assert_eq!(keys(Entry::ValidateFail, true, &[&in_shops, &in_shops]), [name, team]);
    assert_eq!(keys(Entry::ValidateFail, true, &[&in_shops, &anywhere]), [name]);
    // The probe comes from another namespace.
    assert_eq!(keys(Entry::ValidateFail, false, &[&in_shops]), [name]);
    assert_eq!(keys(Entry::ValidateIgnore, false, &[&in_shops]), [name, team]);
    assert_eq!(keys(Entry::MutateStrict, false, &[&in_shops]), [name, "stateward.dev/profile", team]);
}

#[test]
fn the_probe_has_one_name() {
    assert!(conditions::PROBED.contains(&format!("'{}'", stateward_core::contract::PROBE)));
}
