//! Whether a member asks for other members before it runs.

use crate::objects::{Container, StatefulSet};

/// The first init container or native sidecar that contacts peers: its command, its arguments or its environment name the governing Service or a
/// member (`db-0`). What scripts in its image or in volumes do is not to be seen here.
pub fn contacting_peers<'s, 'a>(set: &'s StatefulSet<'a>) -> Option<&'s Container<'a>> {
    let (set_name, service) = (set.metadata.name.as_str(), set.service_name());
    let names_peers = |text: &str| {
        service.is_some_and(|service| rests_after(text, service).any(ends_name))
            || rests_after(text, set_name).any(|rest| {
                let mut rest = rest.chars();
                rest.next() == Some('-') && rest.next().is_some_and(|next| next.is_ascii_digit())
            })
    };
    set.spec.template.spec.init_containers.iter().find(|container| {
        let environment = container.env.iter().flatten().map(|variable| &variable.value);
        container.command.iter().chain(&container.args).chain(environment).any(|text| names_peers(text))
    })
}

/// What follows a host's name wherever it begins in a text: not in the middle of another name, nor as part of a path or a variable.
fn rests_after<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = &'t str> {
    let places = text.match_indices(name).filter(move |_| !name.is_empty());
    places.filter_map(move |(start, _)| {
        let before = text.get(..start)?;
        let is_path = before.ends_with('/') && !before.ends_with("//");
        let is_inside = before.ends_with(|last: char| last.is_ascii_alphanumeric() || "-_${".contains(last));
        if is_path || is_inside { None } else { text.get(start + name.len()..) }
    })
}

/// The name is not the beginning of a longer one. A dot may follow: `db.shop.svc`.
fn ends_name(rest: &str) -> bool {
    !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-' || next == '_')
}

#[cfg(test)]
mod tests {
    use super::contacting_peers;
    use crate::objects::StatefulSet;

    fn asks(set: &str, service: &str, text: &str) -> bool {
        let json = format!(
            r#"{{"metadata": {{"name": {set:?}}}, "spec": {{"serviceName": {service:?},
                "template": {{"spec": {{"initContainers": [{{"name": "a"}}, {{"name": "b", "args": [{text:?}]}}]}}}}}}}}"#
        );
        let set: StatefulSet<'_> = serde_json::from_str(&json).unwrap();
        contacting_peers(&set).is_some_and(|container| container.name.as_str() == "b")
    }

    #[test]
    fn a_peer_is_named_by_the_service_or_by_its_own_name() {
        for text in ["db", "wait-for db.shop.svc 5432", "tcp://db:5432", "host=db,port=1", "-service=db", "$(HOST).db"]
        {
            assert!(asks("pg", "db", text), "{text}");
        }
        for text in ["pg-0", "clone pg-0.x", "pg-12:5432", "until pg-0"] {
            assert!(asks("pg", "db", text), "{text}");
            assert!(asks("pg", "", text), "{text}");
        }
    }

    #[test]
    fn other_names_are_not_peers() {
        for text in [
            "",
            "dbx",
            "mydb",
            "db-backup",
            "db_name",
            "/var/lib/db",
            "${db}",
            "$db",
            "pg",
            "pg-x",
            "my-pg-0",
            "/pg-0/x",
        ] {
            assert!(!asks("pg", "db", text), "{text}");
        }
        assert!(!asks("", "", "a-0 b"), "a set without a name has no peers");
    }

    #[test]
    fn command_and_environment_count_and_plain_containers_do_not() {
        let reads = |field: &str, value: &str| {
            let json = format!(
                r#"{{"metadata": {{"name": "db"}}, "spec": {{"template": {{"spec": {{{field}: [{{"name": "a", {value}}}]}}}}}}}}"#
            );
            let set: StatefulSet<'_> = serde_json::from_str(&json).unwrap();
            contacting_peers(&set).is_some()
        };
        let init = r#""initContainers""#;
        assert!(reads(init, r#""command": ["clone", "db-0"]"#));
        assert!(reads(init, r#""env": [{"name": "FROM", "value": "db-0.db"}]"#));
        assert!(reads(init, r#""restartPolicy": "Always", "args": ["db-0"]"#));
        assert!(!reads(init, r#""image": "db-0""#));
        assert!(!reads(r#""containers""#, r#""args": ["db-0"]"#));
    }
}
