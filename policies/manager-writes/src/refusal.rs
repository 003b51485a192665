//! What the contract's own refusals have in common.

use stateward_sdk::prelude::*;

/// A rule without which there could be two managers, or none: it is on whatever the profile says, is one switch with the others of its kind, and
/// refuses where it cannot decide.
pub const REFUSAL: Rule = Rule {
    category: promise::ONE_WRITER,
    severity: Severity::Critical,
    baseline: Action::Deny,
    strict: Action::Deny,
    when_undecided: Action::Deny,
    fixed: true,
    ..Rule::VALIDATE
};
