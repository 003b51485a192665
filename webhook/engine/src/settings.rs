//! A policy's settings: first the component's JSON Schema, then what the component itself says.

use std::time::{Duration, Instant};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};
use stateward_core::evaluate::Limits;
use stateward_core::policy::SpecError;

use crate::guest::{ANSWER_BYTES, Bounds, Guest};
use crate::{schema_bounds, text};

/// A component's compiled JSON Schema.
pub(crate) struct SettingsSchema(Validator);

impl SettingsSchema {
    /// The schema's author is not trusted: nothing is fetched, no pattern backtracks, no reference leads round in circles.
    pub(crate) fn new(schema: &str) -> Result<Self, String> {
        if schema.len() > MAX_SCHEMA_BYTES {
            return Err(format!("it has {} bytes; {MAX_SCHEMA_BYTES} are the most", schema.len()));
        }
        let schema: Value = serde_json::from_str(schema).map_err(|error| format!("it is not JSON: {error}"))?;
        schema_bounds::check(&schema)?;
        jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex())
            .build(&schema)
            .map(Self)
            .map_err(|error| text::clean(&error.to_string(), MAX_MESSAGE_BYTES))
    }

    /// Every error, with its place below `/spec/settings`.
    fn check(&self, settings: &Value) -> Vec<SpecError> {
        self.0.iter_errors(settings).take(MAX_ERRORS).flat_map(|error| spec_errors(&error)).collect()
    }
}

impl Guest {
    /// Checks settings; answers every error. Runs the component only where its schema has no complaint.
    pub(crate) async fn check_settings(&self, policy: &str, settings: &Map<String, Value>) -> Vec<SpecError> {
        let settings = Value::Object(settings.clone());
        let errors = self.schema.check(&settings);
        if !errors.is_empty() {
            return errors;
        }
        let settings = settings.to_string();
        let bounds = Bounds {
            policy: policy.to_owned(),
            limits: LIMITS,
            deadline: Instant::now() + DEADLINE,
            answer_limit: ANSWER_BYTES,
        };
        let checked = self.code.run(bounds, None, &self.declared, async |store, guest| {
            guest.stateward_policy_rules().call_validate_settings(store, &settings).await
        });
        match checked.await.answer {
            Ok(Ok(())) => Vec::new(),
            Ok(Err(words)) if words.is_empty() => {
                vec![SpecError::new(SETTINGS, "the component refuses them without a word")]
            }
            Ok(Err(words)) => words.into_iter().take(MAX_ERRORS).map(guests_words).collect(),
            Err(error) => {
                vec![SpecError::new(SETTINGS, format!("the component broke while it checked them: it {error}"))]
            }
        }
    }
}

/// A key that should not be there is named at its own place, so that a file's line can be shown.
fn spec_errors(error: &jsonschema::ValidationError<'_>) -> Vec<SpecError> {
    let parent = format!("{SETTINGS}{}", error.instance_path().as_str());
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .take(MAX_ERRORS)
            .map(|key| {
                SpecError::new(
                    format!("{parent}/{}", escape(key)),
                    format!("there is no setting `{}`", text::clean(key, MAX_KEY_BYTES)),
                )
            })
            .collect(),
        _ => vec![SpecError::new(parent, text::clean(&error.to_string(), MAX_MESSAGE_BYTES))],
    }
}

/// `/replicas/most: too many` has its place in front; other words are about the settings as a whole.
fn guests_words(words: String) -> SpecError {
    let words = text::clean_owned(words, MAX_MESSAGE_BYTES);
    match words.split_once(": ") {
        Some((pointer, message)) if pointer.starts_with('/') => SpecError::new(format!("{SETTINGS}{pointer}"), message),
        _ => SpecError::new(SETTINGS, words),
    }
}

/// RFC 6901 §3.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

const SETTINGS: &str = "/spec/settings";
/// The built-in policies' is 10 KiB.
const MAX_SCHEMA_BYTES: usize = 256 << 10;
const MAX_ERRORS: usize = 20;
const MAX_MESSAGE_BYTES: usize = 500;
const MAX_KEY_BYTES: usize = 100;
/// Once per load; reading JSON takes microseconds.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(1), memory: 64 << 20 };
const DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, settings: &Value) -> Vec<String> {
        let schema = SettingsSchema::new(&schema.to_string()).unwrap();
        schema.check(settings).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_the_field() {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": { "least": { "type": "integer", "minimum": 1 }, "classes": { "type": "array", "items": { "$ref": "#/$defs/class" } } },
            "$defs": { "class": { "type": "string", "pattern": "^[a-z]+$" } },
        });
        assert_eq!(check(&schema, &json!({ "least": 3, "classes": ["fast"] })), [""; 0]);
        insta::assert_snapshot!(check(&schema, &json!({ "least": 0, "classes": ["fast", "Slow"], "a/b": 1 })).join("\n"), @r#"
        /spec/settings/classes/1: "Slow" does not match "^[a-z]+$"
        /spec/settings/least: 0 is less than the minimum of 1
        /spec/settings/a~1b: there is no setting `a/b`
        "#);
    }

    #[test]
    fn a_guests_words_may_name_the_place() {
        assert_eq!(guests_words("/least: must be odd".to_owned()).to_string(), "/spec/settings/least: must be odd");
        assert_eq!(guests_words("`least` must be odd".to_owned()).to_string(), "/spec/settings: `least` must be odd");
    }

    #[test]
    fn fetches_nothing_and_never_backtracks() {
        for schema in [
            json!({ "$ref": "http://127.0.0.1:1/schema.json" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "properties": { "a": { "pattern": "(a)\\1" } } }),
        ] {
            assert!(SettingsSchema::new(&schema.to_string()).is_err(), "{schema}");
        }
    }
}
