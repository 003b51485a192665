//! A guest's log lines: cleaned, cut, and no more than a few for each evaluation.

use crate::bindings::stateward::policy::log::Level;
use crate::text;

/// What one evaluation may still log.
pub(crate) struct LogBudget {
    lines: usize,
    bytes: usize,
    dropped: u64,
}

impl LogBudget {
    pub(crate) const fn new() -> Self {
        Self { lines: MAX_LINES, bytes: MAX_BYTES, dropped: 0 }
    }

    /// Writes the line, or counts it where the budget is used up.
    pub(crate) fn line(&mut self, policy: &str, level: Level, message: &str) {
        if self.lines == 0 || self.bytes == 0 {
            self.dropped += 1;
            return;
        }
        let message = text::clean(message, self.bytes.min(MAX_LINE_BYTES));
        self.lines -= 1;
        self.bytes = self.bytes.saturating_sub(message.len());
        match level {
            Level::Debug => tracing::debug!(target: TARGET, policy, "{message}"),
            Level::Info => tracing::info!(target: TARGET, policy, "{message}"),
            Level::Warn => tracing::warn!(target: TARGET, policy, "{message}"),
            Level::Error => tracing::error!(target: TARGET, policy, "{message}"),
        }
    }

    /// Says how many lines were left out.
    pub(crate) fn finish(&self, policy: &str) {
        if self.dropped > 0 {
            tracing::warn!(target: TARGET, policy, dropped = self.dropped, "the policy logs too much");
        }
    }
}

/// So that an administrator can filter what policies say from what Stateward says.
const TARGET: &str = "stateward::policy";
/// A policy that has more to say about one request says it in findings.
const MAX_LINES: usize = 20;
/// Half a terminal; an object does not fit.
const MAX_LINE_BYTES: usize = 512;
const MAX_BYTES: usize = 4 << 10;
