//! What happens to governing Services while members need them.

use stateward_sdk::prelude::*;

use crate::{Settings, conditions};

/// NET-9 of the rule catalogue.
pub const SERVICE_REMOVED: Rule = Rule {
    id: "ordered-identity/service-removed",
    title: "Running members keep their names",
    description: "Without their headless Service members lose their DNS names while they run: workers no longer find the manager, and a member that restarts \
                  does not find its peers. The set cannot name another Service.",
    category: promise::REACHABLE,
    severity: Severity::High,
    baseline: Action::Warn,
    strict: Action::Deny,
    subjects: &[
        Subject::of(Resource::SERVICES, &[Operation::Update, Operation::Delete]).when(conditions::SERVICE_REMOVED)
    ],
    reads: &[Read::of(StatefulSet::KIND, &["/spec/serviceName", "/spec/replicas", "/status/replicas"])],
    ..Rule::VALIDATE
};

/// Fires when the governing Service of a live set is deleted, or no longer headless.
pub fn service_removed(service: &Service, cx: &Context<Settings>, out: &mut Findings) {
    let is_deleted = cx.operation() == Operation::Delete;
    if !is_deleted {
        let Some(Object::Service(old)) = cx.old() else { return };
        if !names_members(old) || names_members(service) {
            return;
        }
    }
    let Some(sets) = cx.list::<SiblingSet>() else { return out.unavailable::<StatefulSet>() };
    let name = &service.metadata.name;
    let mut governed = sets.iter().filter(|set| set.is_live() && set.spec.service_name == *name);
    let Some(first) = governed.next() else { return };
    let set = &first.metadata.name;
    let more = match governed.count() {
        0 => String::new(),
        count => format!(" and of {count} more"),
    };
    if is_deleted {
        out.finding(
            "/metadata/name",
            "name",
            format!("`{name}` gives the members of StatefulSet `{set}`{more} their DNS names, and they run"),
        )
        .hint(format!("scale `{set}` to 0 first, or delete the set before its Service"));
    } else {
        out.finding(
            "/spec/clusterIP",
            "clusterIP",
            format!(
                "without `clusterIP: None` the members of StatefulSet `{set}`{more} lose their DNS names, and they run"
            ),
        )
        .hint("keep `clusterIP: None`, and make another Service with an address for clients");
    }
}

/// It is headless, and has pods behind it.
fn names_members(service: &Service) -> bool {
    service.is_headless() && service.is_external() != Some(true)
}
