//! Values as they are written at a place: in its quotes, in its style.

use serde_json::Value;

use crate::scalar::{Scalar, plain};
use crate::source::Format;
use crate::yaml_text::to_yaml;

/// A value in one line. `old`: what it takes the place of, whose quotes it takes over.
pub(super) fn inline(value: &Value, old: &str, format: Format) -> String {
    match (format, value) {
        (Format::Json, value) => value.to_string(),
        (Format::Yaml, Value::String(text)) => quoted(text, old),
        (Format::Yaml, Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| inline(item, "", format)).collect();
            format!("[{}]", items.join(", "))
        }
        (Format::Yaml, Value::Object(members)) => {
            let members =
                members.iter().map(|(name, value)| format!("{}: {}", key(name, format), inline(value, "", format)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        (Format::Yaml, other) => other.to_string(),
    }
}

/// A key of a mapping.
pub(super) fn key(name: &str, format: Format) -> String {
    match format {
        Format::Json => Value::from(name).to_string(),
        Format::Yaml => quoted(name, ""),
    }
}

/// The lines of a mapping's member, or of a list's item behind its dash, without the indentation of the place.
pub(super) fn block(name: Option<&str>, value: &Value) -> Vec<String> {
    let before = name.map(|name| format!("{}: ", key(name, Format::Yaml))).unwrap_or_default();
    if is_short(value) {
        return vec![format!("{before}{}", inline(value, "", Format::Yaml))];
    }
    let yaml = match name {
        Some(name) => to_yaml(&Value::Object([(name.to_owned(), value.clone())].into_iter().collect())),
        None => to_yaml(value),
    };
    yaml.lines().map(str::to_owned).collect()
}

/// What a person would write in one line, and what holds a text of several lines, whose indentation would be another one.
pub(super) fn is_short(value: &Value) -> bool {
    let is_flat = match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.iter().all(|item| !item.is_array() && !item.is_object()),
        _ => true,
    };
    is_flat || has_control(value)
}

fn has_control(value: &Value) -> bool {
    let is_special = |text: &str| text.contains(char::is_control);
    match value {
        Value::String(text) => is_special(text),
        Value::Array(items) => items.iter().any(has_control),
        Value::Object(members) => members.iter().any(|(key, value)| is_special(key) || has_control(value)),
        _ => false,
    }
}

/// A text: in the quotes of the old one, without any where it needs none and the old one had none.
fn quoted(text: &str, old: &str) -> String {
    let has_control = text.contains(char::is_control);
    if old.starts_with('\'') && !has_control {
        return format!("'{}'", text.replace('\'', "''"));
    }
    // Plain everywhere, in flow style and as a key too.
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '/' | '-'))
        && matches!(plain(text.into()), Scalar::Text(_));
    if is_plain && !old.starts_with('"') { text.to_owned() } else { Value::from(text).to_string() }
}
