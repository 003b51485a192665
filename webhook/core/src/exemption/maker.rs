//! With what an exemption was made, as far as the object says. Who it was the API server does not keep: only its audit log knows.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The manager of the oldest part of the object (`kubectl-create`, `argocd-controller`), or `kubectl apply` by what that leaves behind. Of the object as JSON;
/// `None` where nothing says it.
pub fn made_by(object: &str) -> Option<String> {
    let Metadata { managed_fields, annotations } = serde_json::from_str::<Head>(object).ok()?.metadata;
    // The controller that writes a status has not made the object.
    let makers =
        managed_fields.into_iter().flatten().filter(|part| part.subresource.as_deref().is_none_or(str::is_empty));
    let oldest = makers.filter(|part| !part.manager.is_empty()).min_by(|a, b| a.time.cmp(&b.time));
    let applied = || annotations.unwrap_or_default().contains_key(LAST_APPLIED).then(|| "kubectl apply".to_owned());
    oldest.map(|part| part.manager).or_else(applied)
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    managed_fields: Option<Vec<Part>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, IgnoredAny>>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    subresource: Option<String>,
    /// As the API server writes times, the order of the texts is theirs.
    #[serde(default)]
    time: Option<String>,
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_manager_made_it() {
        let told = |metadata: &str| made_by(&format!(r#"{{"metadata":{{{metadata}}}}}"#)).unwrap_or_default();
        let part = |manager: &str, rest: &str| format!(r#"{{"manager":"{manager}"{rest}}}"#);
        let parts = [
            part("stateward", r#","subresource":"status","time":"2026-01-01T00:00:00Z""#),
            part("argocd-controller", r#","time":"2026-03-01T00:00:00Z""#),
            part("kubectl-create", r#","time":"2026-02-01T00:00:00Z""#),
        ];
        let parts = format!(r#""managedFields":[{}]"#, parts.join(","));
        let applied = format!(r#""annotations":{{"{LAST_APPLIED}":"{{}}"}}"#);
        assert_eq!(told(&parts), "kubectl-create");
        assert_eq!(told(&format!("{parts},{applied}")), "kubectl-create");
        assert_eq!(told(&format!(r#""managedFields":[],{applied}"#)), "kubectl apply");
        for nothing in
            ["", r#""managedFields":null,"annotations":null"#, r#""annotations":{"a":"b"}"#, r#""managedFields":7"#]
        {
            assert_eq!(told(nothing), "");
        }
    }
}
