//! What keeps us from registering, in words that name the missing right.

use std::fmt;

/// Something that a person has to put right. Prints what failed, and on a second line what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    text: String,
    is_passing: bool,
}

impl Problem {
    /// A call that failed: `update` of ``mutatingwebhookconfigurations.admissionregistration.k8s.io `stateward` ``.
    pub(super) fn of(verb: &str, what: &str, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if is_forbidden(status) => {
                let text =
                    format!("missing right: `{verb}` on {what}\nhint: apply the ClusterRole and Roles of deploy/base");
                Self { text, is_passing: false }
            }
            kube::Error::Api(status) => Self {
                text: format!("cannot {verb} {what}: {}", status.message),
                // Somebody else wrote first: the next look sees it.
                is_passing: status.code == 409,
            },
            error => Self { text: format!("cannot {verb} {what}: {error}"), is_passing: false },
        }
    }

    pub(super) const fn from_text(text: String) -> Self {
        Self { text, is_passing: false }
    }

    /// Nothing that a person has to hear of.
    pub(super) const fn is_passing(&self) -> bool {
        self.is_passing
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// RBAC's refusal, not that of an admission webhook with the same code.
fn is_forbidden(status: &kube::core::Status) -> bool {
    status.code == 403 && status.message.contains(" cannot ")
}
