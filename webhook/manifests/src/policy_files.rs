//! `WasmPolicy` and `PolicyExemption` from files: the types of core, with the file, the field and the line of what is wrong.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stateward_core::exemption::{self, WrongExemption};
use stateward_core::policy::SpecError;
use stateward_core::resources::{API_VERSION, PolicyExemption, WasmPolicy};

use crate::decode::{self, describe, pointer};
use crate::document::Document;
use crate::error::InputError;

/// What a folder of policy files holds.
#[derive(Clone, Debug, Default)]
pub struct PolicyFiles {
    /// In the order of the files.
    pub policies: Vec<FromFile<WasmPolicy>>,
    /// In the order of the files.
    pub exemptions: Vec<FromFile<PolicyExemption>>,
    /// One for each object that is not what it says it is.
    pub errors: Vec<InputError>,
    /// Exemptions that are not what they should be. Each of their errors is among `errors`, too.
    pub wrong_exemptions: Vec<WrongExemption>,
}

/// A resource with the document that it was read from.
#[derive(Clone, Debug)]
pub struct FromFile<T> {
    /// The resource.
    pub resource: T,
    /// For the place of what turns out to be wrong with it later.
    pub document: Document,
}

/// Reads the policies and exemptions among the documents. Other kinds are left alone: a folder may hold the RBAC beside them. Asks the clock
/// whether exemptions reach too far.
pub fn parse(documents: &[Document]) -> PolicyFiles {
    parse_at(documents, Timestamp::now())
}

fn parse_at(documents: &[Document], now: Timestamp) -> PolicyFiles {
    let mut files = PolicyFiles::default();
    for document in documents {
        let group = document.api_version.split('/').next().unwrap_or_default();
        if group != GROUP {
            continue;
        }
        let read = match document.kind.as_str() {
            "WasmPolicy" => read(document).map(|policy| files.policies.push(policy)),
            "PolicyExemption" => match exemption(document) {
                Ok(exemption) => {
                    files.exemptions.push(exemption);
                    Ok(())
                }
                Err(error) => {
                    files.wrong_exemptions.push(unreadable(document, &error));
                    Err(error)
                }
            },
            other => Err(document
                .error("/kind", format!("unknown kind `{other}`"))
                .hint("`WasmPolicy` or `PolicyExemption`")),
        };
        files.errors.extend(read.err());
    }
    let mut duplicates = duplicates(&files.policies, |policy| (String::new(), policy.metadata.name.clone()));
    duplicates.extend(self::duplicates(&files.exemptions, |exemption| {
        (exemption.metadata.namespace.clone().unwrap_or_default(), exemption.metadata.name.clone())
    }));
    files.errors.extend(duplicates);
    let PolicyFiles { exemptions, errors, wrong_exemptions, .. } = &mut files;
    exemptions.retain(|from| {
        let wrong = exemption::check(&from.resource, Some(now));
        errors.extend(wrong.iter().map(|wrong| from.error(wrong)));
        if !wrong.is_empty() {
            wrong_exemptions.push(wrong_exemption(&from.resource, wrong.clone()));
        }
        wrong.is_empty()
    });
    files
}

fn exemption(document: &Document) -> Result<FromFile<PolicyExemption>, InputError> {
    let mut from: FromFile<PolicyExemption> = read(document)?;
    from.resource.metadata.made_by = exemption::made_by(&document.json);
    Ok(from)
}

/// What of an exemption can be said of which not even the fields can be read.
fn unreadable(document: &Document, error: &InputError) -> WrongExemption {
    let told = SpecError::new(String::new(), error.message.clone());
    let told = error.hint.iter().fold(told, |told, hint| told.hint(hint.clone()));
    let name = document.name.clone().unwrap_or_default();
    WrongExemption { namespace: document.namespace.clone(), name, resource: None, errors: vec![told] }
}

fn wrong_exemption(resource: &PolicyExemption, errors: Vec<SpecError>) -> WrongExemption {
    let (namespace, name) = (resource.metadata.namespace.clone(), resource.metadata.name.clone());
    WrongExemption { namespace, name, resource: Some(resource.clone()), errors }
}

impl<T> FromFile<T> {
    /// Puts an error of the resource at its line.
    pub fn error(&self, wrong: &SpecError) -> InputError {
        let error = self.document.error(&wrong.path, describe(&wrong.path, &wrong.message));
        InputError { hint: wrong.hint.clone(), ..error }
    }
}

fn read<T: DeserializeOwned>(document: &Document) -> Result<FromFile<T>, InputError> {
    if document.api_version != API_VERSION {
        let message = format!("unknown version `{}`", document.api_version);
        return Err(document.error("/apiVersion", message).hint(format!("this version reads `{API_VERSION}`")));
    }
    let fields: Value = serde_json::from_str(&document.json).map_err(|error| document.error("", error.to_string()))?;
    if let Some(unknown) =
        fields.as_object().into_iter().flatten().map(|(key, _)| key).find(|key| !TOP_LEVEL.contains(&key.as_str()))
    {
        let error = document.error(&pointer(&[unknown]), format!("unknown field `{unknown}`"));
        return Err(error.hint(format!("one of `{}`", TOP_LEVEL.join("`, `"))));
    }
    decode::decode(document, &fields).map(|resource| FromFile { resource, document: document.clone() })
}

fn duplicates<T>(found: &[FromFile<T>], identity: impl Fn(&T) -> (String, String)) -> Vec<InputError> {
    let mut known = std::collections::HashMap::new();
    let mut errors = Vec::new();
    for from in found {
        let (namespace, name) = identity(&from.resource);
        if let Some(first) = known.insert((namespace, name.clone()), &from.document) {
            let first = first.error("", "");
            let line = first.position.map_or(1, |position| position.line);
            let message =
                format!("a second {} `{name}`; the first is in `{}`, line {line}", from.document.kind, first.file);
            errors.push(from.document.error("/metadata/name", message));
        }
    }
    errors
}

/// Of [`API_VERSION`].
const GROUP: &str = "stateward.dev";

const TOP_LEVEL: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_text;

    fn errors(text: &str) -> Vec<String> {
        let documents = read_text("p.yaml", text.to_owned());
        assert_eq!(documents.errors, []);
        parse_at(&documents.objects, now()).errors.iter().map(ToString::to_string).collect()
    }

    fn now() -> Timestamp {
        "2026-11-01T00:00:00Z".parse().unwrap()
    }

    fn policy(spec: &str) -> String {
        format!(
            "apiVersion: stateward.dev/v1alpha1\nkind: WasmPolicy\nmetadata: {{name: p}}\nspec:\n  component: builtin:stateful\n{spec}"
        )
    }

    #[test]
    fn reads_policies_and_exemptions_and_leaves_other_kinds_alone() {
        let exemption = "---\napiVersion: stateward.dev/v1alpha1\nkind: PolicyExemption\nmetadata: {name: e}\nspec: {rules: [a/b], names: [db], reason: why, expires: 2026-12-01T00:00:00Z}\n";
        let text = policy("  actions: {remote-volumes/local-class: Deny}\n")
            + exemption
            + "---\napiVersion: v1\nkind: ConfigMap\n";
        let files = parse_at(&read_text("p.yaml", text).objects, now());
        assert_eq!(files.errors, []);
        assert_eq!((files.policies.len(), files.exemptions.len()), (1, 1));
        assert_eq!(files.policies[0].resource.spec.actions.len(), 1);
    }

    #[test]
    fn errors_name_file_line_and_field() {
        assert_eq!(
            errors(&policy("  mode: Enforced\n")),
            ["p.yaml:6:9: `spec.mode`: unknown variant `Enforced`\nhint: one of: `Audit`, `Warn`, `Enforce`"]
        );
        assert_eq!(
            errors(&policy("  limits:\n    timout: 1s\n")),
            ["p.yaml:7:13: unknown field `spec.limits.timout`\nhint: `timeout` or `memory`"]
        );
        assert_eq!(
            errors(&policy("  rules: all\n")),
            ["p.yaml:6:10: `spec.rules`: invalid type: string \"all\"\nhint: a sequence"]
        );
        assert_eq!(
            errors("apiVersion: stateward.dev/v1alpha1\nkind: WasmPolicy\nmetadata: {name: p}\nspec: {}\n"),
            ["p.yaml:4:7: `spec.component` is missing"]
        );
        assert_eq!(
            errors("apiVersion: stateward.dev/v1\nkind: WasmPolicy\n"),
            ["p.yaml:1:13: unknown version `stateward.dev/v1`\nhint: this version reads `stateward.dev/v1alpha1`"]
        );
        assert_eq!(
            errors("apiVersion: stateward.dev/v1alpha1\nkind: WasmPolicy\nsepc: {}\n"),
            ["p.yaml:3:7: unknown field `sepc`\nhint: one of `apiVersion`, `kind`, `metadata`, `spec`, `status`"]
        );
    }

    #[test]
    fn a_plain_off_is_an_action() {
        let text = policy("  actions: {a/b: Off, a/c: off, a/d: 'Off', a/e: Warn}\n");
        let files = parse_at(&read_text("p.yaml", text).objects, now());
        assert_eq!(files.errors, []);
        let actions: Vec<String> = files.policies[0].resource.spec.actions.values().map(ToString::to_string).collect();
        assert_eq!(actions, ["off", "off", "off", "warn"]);
        let hint = "hint: one of: `Off`, `Audit`, `Warn`, `Deny`, `Apply`";
        for (written, wrong) in [("On", "boolean `true`"), ("1", "integer `1`"), ("[]", "sequence")] {
            let told = format!("p.yaml:6:18: `spec.actions[a/b]`: invalid type: {wrong}\n{hint}");
            assert_eq!(errors(&policy(&format!("  actions: {{a/b: {written}}}\n"))), [told]);
        }
        let told = "p.yaml:6:18: `spec.actions[a/b]`: unknown variant `warn`\nhint: one of: `Off`, `Audit`, `Warn`, `Deny`, `Apply`";
        assert_eq!(errors(&policy("  actions: {a/b: warn}\n")), [told]);
    }

    #[test]
    fn a_plain_off_is_neither_a_mode_nor_a_profile() {
        let way_out = "; to switch a policy off delete it or write `mode: Audit`, a rule `actions: {RULE: Off}`";
        for (field, column, words) in
            [("mode", 9, "one of: `Audit`, `Warn`, `Enforce`"), ("profile", 12, "`baseline` or `strict`")]
        {
            let told = |value: &str| errors(&policy(&format!("  {field}: {value}\n")));
            let error = |what: &str, way_out: &str| {
                [format!("p.yaml:6:{column}: `spec.{field}`: {what}\nhint: {words}{way_out}")]
            };
            for off in ["Off", "'Off'", "false"] {
                assert_eq!(told(off), error(&format!("`Off` is not a {field}"), way_out), "{off}");
            }
            assert_eq!(told("on"), error("invalid type: boolean `true`", ""));
            assert_eq!(told("1"), error("invalid type: integer `1`", ""));
            assert_eq!(told("Strictest"), error("unknown variant `Strictest`", ""));
        }
    }

    #[test]
    fn a_name_may_be_there_once() {
        assert_eq!(
            errors(&format!("{}---\n{}", policy(""), policy(""))),
            ["p.yaml:9:18: a second WasmPolicy `p`; the first is in `p.yaml`, line 2"]
        );
    }

    #[test]
    fn exemptions_end() {
        let exemption = "apiVersion: stateward.dev/v1alpha1\nkind: PolicyExemption\nmetadata: {name: e}\nspec:\n  rules: []\n  selector: {}\n  reason: ' '\n  expires: 2029-01-01T00:00:00Z\n";
        assert_eq!(
            errors(exemption),
            [
                "p.yaml:7:11: `spec.reason`: an exemption needs a reason\nhint: who reads the audit log wants to know why",
                "p.yaml:5:10: `spec.rules`: names no rule\nhint: rule ids or `family/*`",
                "p.yaml:8:12: `spec.expires`: `2029-01-01T00:00:00Z` is more than 90 days away\nhint: exemptions end; renew it when the time comes",
            ]
        );
        let without =
            exemption.replace("[]", "[a/b]").replace("' '", "why").replace("  expires: 2029-01-01T00:00:00Z\n", "");
        assert_eq!(
            errors(&without),
            [
                "p.yaml:4:1: `spec.expires`: is missing, and nothing says when the exemption was created\nhint: exemptions end: write a time within the next 90 days"
            ]
        );
        for (written, value) in [("soon", "soon"), ("2026-12-31", "2026-12-31"), ("2027", "2027"), ("[]", "[]")] {
            assert_eq!(
                errors(&exemption.replace("2029-01-01T00:00:00Z", written)),
                [format!(
                    "p.yaml:8:12: `spec.expires`: `{value}` is not a time\nhint: an RFC 3339 time such as 2026-12-31T00:00:00Z"
                )]
            );
        }
        let created = "metadata: {name: e, creationTimestamp: 2026-10-01T00:00:00Z}";
        assert_eq!(errors(&without.replace("metadata: {name: e}", created)), Vec::<String>::new());
    }

    #[test]
    fn later_errors_find_their_line() {
        let files = parse_at(&read_text("p.yaml", policy("  settings:\n    grace: -1\n")).objects, now());
        let wrong = SpecError::new("/spec/settings/grace", "must be positive");
        assert_eq!(files.policies[0].error(&wrong).to_string(), "p.yaml:7:12: `spec.settings.grace`: must be positive");
    }
}
