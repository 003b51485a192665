//! The API server's audit log of one namespace: what webhooks answered beside yes and no.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::control_plane::ControlPlane;

/// Writes to this namespace are logged, and no others: no load of a test pays for the log.
pub const AUDITED: &str = "audited";

/// A request that was answered.
#[derive(Debug)]
pub struct Audited {
    /// HTTP's.
    pub code: u64,
    /// Why it was refused; empty where it was not.
    pub message: String,
    /// Of the event: what webhooks wrote, each key after the entry's name, and what the API server wrote about their changes.
    pub annotations: Value,
}

impl ControlPlane {
    /// The requests to write this object that were answered, such as `create` of `statefulsets` `db`, first to last. A request is logged after its answer
    /// was sent, so the last one may be missing.
    pub fn audited(&self, verb: &str, resource: &str, name: &str) -> Result<Vec<Audited>> {
        let log = self.folder().join(LOG);
        let text = fs::read_to_string(&log).with_context(|| format!("cannot read `{}`", log.display()))?;
        // A line without its end is being written.
        let events = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(serde_json::from_str::<Value>);
        let mut audited = Vec::new();
        for event in events {
            let event = event?;
            let of = &event["objectRef"];
            let is_whole = of["subresource"].is_null();
            if is_whole && event["verb"] == verb && of["resource"] == resource && of["name"] == name {
                let code = event["responseStatus"]["code"].as_u64().context("no code")?;
                let message = event["responseStatus"]["message"].as_str().unwrap_or_default().to_owned();
                audited.push(Audited { code, message, annotations: event["annotations"].clone() });
            }
        }
        Ok(audited)
    }
}

/// Writes what is to be logged.
pub(crate) fn write_policy(folder: &Path) -> Result<()> {
    Ok(fs::write(folder.join(POLICY), RULES)?)
}

/// File names, for the API server's flags.
pub(crate) const POLICY: &str = "audit-policy.yaml";
pub(crate) const LOG: &str = "audit.log";

const RULES: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- { level: Request, namespaces: [audited], verbs: [create, update, patch, delete] }
- { level: None }
";
