//! Values of a container's environment variables, as the kubelet makes them of `env`: `$(NAME)` stands for a variable that is declared above.

use std::borrow::Cow;

use crate::objects::EnvVar;

/// The value of a variable, given by its place in `env`. `None`: nobody can tell from here. It comes from an object, or refers to what does, or to
/// a name that may be a Service's.
pub fn value<'s>(env: &'s [EnvVar<'_>], index: usize) -> Option<Cow<'s, str>> {
    let written = written(env, index)?;
    if !written.contains('$') {
        return Some(Cow::Borrowed(written));
    }
    let mut value = String::new();
    expand(env, index, &mut { MAX_REFERENCES }, &mut value)?;
    Some(Cow::Owned(value))
}

/// The folder of a path of which only the beginning can be told: `/mnt` of `/mnt/$(POD_NAME)/pg`. `None`: not even that.
pub fn known_folder(env: &[EnvVar<'_>], index: usize) -> Option<String> {
    let mut value = String::new();
    if expand(env, index, &mut { MAX_REFERENCES }, &mut value).is_none() {
        value.truncate(value.rfind('/')?);
    }
    (value.len() > 1).then_some(value)
}

/// `None`: an object has it.
fn written<'s>(env: &'s [EnvVar<'_>], index: usize) -> Option<&'s str> {
    let variable = env.get(index)?;
    (!variable.value.is_empty() || variable.value_from.is_none()).then_some(&variable.value)
}

/// Adds the value to what is there, up to where it cannot be told.
fn expand(env: &[EnvVar<'_>], index: usize, references: &mut usize, value: &mut String) -> Option<()> {
    let mut rest = written(env, index)?;
    while let Some((before, after)) = rest.split_once('$') {
        value.push_str(before);
        rest = after;
        if let Some(escaped) = after.strip_prefix('$') {
            value.push('$');
            rest = escaped;
        } else if let Some((name, after)) = after.strip_prefix('(').and_then(|after| after.split_once(')')) {
            *references = references.checked_sub(1)?;
            let above = env.get(..index)?.iter().rposition(|each| *each.name == *name)?;
            expand(env, above, references, value)?;
            rest = after;
        } else {
            value.push('$');
        }
        if value.len() > MAX_BYTES {
            return None;
        }
    }
    value.push_str(rest);
    (value.len() <= MAX_BYTES).then_some(())
}

/// Each variable may double the one above it: what refers to more than this is not worked out.
const MAX_REFERENCES: usize = 32;

/// No path is longer (`PATH_MAX` of Linux).
const MAX_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::{known_folder, value};
    use crate::objects::Container;

    /// The last variable's value.
    fn last(env: &str) -> Option<String> {
        let json = format!(r#"{{"env": [{env}]}}"#);
        let container: Container<'_> = serde_json::from_str(&json).unwrap();
        let env = container.env.unwrap();
        value(&env, env.len() - 1).map(String::from)
    }

    #[test]
    fn expands_as_the_kubelet_does() {
        let root = r#"{"name": "R", "value": "/a"}, {"name": "S", "value": "$(R)/b"}"#;
        for (written, value) in [
            ("/pg", "/pg"),
            ("$(R)/pg", "/a/pg"),
            ("$(S)$(R)", "/a/b/a"),
            ("$$(R)", "$(R)"),
            ("$$$(R)", "$/a"),
            ("$R/$", "$R/$"),
            ("/x$(R", "/x$(R"),
            ("", ""),
        ] {
            assert_eq!(
                last(&format!(r#"{root}, {{"name": "V", "value": "{written}"}}"#)).as_deref(),
                Some(value),
                "{written}"
            );
        }
        let twice = r#"{"name": "R", "value": "/b"}, {"name": "V", "value": "$(R)"}"#;
        assert_eq!(last(&format!("{root}, {twice}")).as_deref(), Some("/b"), "of two the later");
        assert_eq!(last(r#"{"name": "R", "value": "/a"}, {"name": "R", "value": "$(R)/b"}"#).as_deref(), Some("/a/b"));
    }

    #[test]
    fn what_is_not_above_is_not_known() {
        for env in [
            r#"{"name": "V", "value": "$(V)"}"#,
            r#"{"name": "V", "value": "/x/$(DB_SERVICE_HOST)"}"#,
            r#"{"name": "V", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}"#,
            r#"{"name": "R", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "V", "value": "$(R)"}"#,
        ] {
            assert_eq!(last(env), None, "{env}");
        }
    }

    #[test]
    fn the_beginning_of_a_path_is_known() {
        let pod = r#"{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "R", "value": "/a/b$(POD)"}"#;
        for (written, folder) in [
            ("/mnt/$(POD)/pg", Some("/mnt")),
            ("/mnt/pg-$(POD)", Some("/mnt")),
            ("$(R)/pg", Some("/a")),
            ("/mnt/pg", Some("/mnt/pg")),
            ("$(POD)/pg", None),
            ("/$(POD)", None),
        ] {
            let json = format!(r#"{{"env": [{pod}, {{"name": "V", "value": "{written}"}}]}}"#);
            let container: Container<'_> = serde_json::from_str(&json).unwrap();
            assert_eq!(known_folder(&container.env.unwrap(), 2).as_deref(), folder, "{written}");
        }
    }

    #[test]
    fn variables_that_double_each_other_are_given_up() {
        let mut env = r#"{"name": "V0", "value": ""}"#.to_owned();
        for at in 1..64 {
            let above = at - 1;
            env += &format!(r#", {{"name": "V{at}", "value": "$(V{above})$(V{above})"}}"#);
        }
        assert_eq!(last(&env), None);
        let long = "x".repeat(4000);
        assert_eq!(last(&format!(r#"{{"name": "R", "value": "{long}"}}, {{"name": "V", "value": "$(R)$(R)"}}"#)), None);
    }
}
