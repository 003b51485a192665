//! What a kubelet writes into a pod's status.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde_json::{Value, json};

/// The state of a pod with one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) container: String,
    pub(super) image: String,
    pub(super) address: Ipv4Addr,
    pub(super) since: Timestamp,
    pub(super) is: Is,
    pub(super) last_exit: Option<i32>,
    pub(super) restarts: i32,
    pub(super) is_started: bool,
    pub(super) is_ready: bool,
    pub(super) ready_changed: Timestamp,
}

/// What the container does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Is {
    Waiting { reason: &'static str, message: String },
    Running { since: Timestamp },
}

impl State {
    /// Sets readiness, and when that changed.
    pub(super) fn set_ready(&mut self, is_ready: bool) {
        if self.is_ready != is_ready {
            self.is_ready = is_ready;
            self.ready_changed = Timestamp::now();
        }
    }

    /// As a strategic merge patch: conditions of others, such as the scheduler's, stay.
    pub(super) fn patch(&self) -> Value {
        let ready = if self.is_ready { "True" } else { "False" };
        let condition = |type_: &str, status: &str, at: Timestamp| json!({ "type": type_, "status": status, "lastTransitionTime": text(at) });
        let (phase, state) = match &self.is {
            Is::Waiting { reason, message } => {
                let phase = if self.restarts == 0 && self.last_exit.is_none() { "Pending" } else { "Running" };
                (phase, json!({ "waiting": { "reason": reason, "message": message } }))
            }
            Is::Running { since } => ("Running", json!({ "running": { "startedAt": text(*since) } })),
        };
        let last = self.last_exit.map(|code| {
            let reason = if code == 0 { "Completed" } else { "Error" };
            json!({ "terminated": { "exitCode": code, "reason": reason } })
        });
        json!({ "status": {
            "phase": phase,
            "startTime": text(self.since),
            "podIP": self.address.to_string(),
            "podIPs": [{ "ip": self.address.to_string() }],
            "conditions": [
                condition("Initialized", "True", self.since),
                condition("ContainersReady", ready, self.ready_changed),
                condition("Ready", ready, self.ready_changed),
            ],
            "containerStatuses": [{
                "name": self.container, "image": self.image, "imageID": "",
                "ready": self.is_ready, "started": self.is_started, "restartCount": self.restarts,
                "state": state, "lastState": last.unwrap_or_else(|| json!({})),
            }],
        } })
    }
}

/// Kubernetes' times have whole seconds.
fn text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
