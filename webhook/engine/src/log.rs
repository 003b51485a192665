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

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(lines: impl Iterator<Item = String>) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber =
            tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut budget = LogBudget::new();
            lines.for_each(|line| budget.line("team", Level::Warn, &line));
            budget.finish("team");
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn cleans_cuts_and_counts() {
        let logged = log((0..10_000).map(|line| format!("line {line}\u{1b}[2J\nWARN forged")));
        assert_eq!(logged.lines().count(), MAX_LINES + 1);
        assert_eq!(
            logged.lines().next(),
            Some(" WARN stateward::policy: line 0\u{fffd}[2J WARN forged policy=\"team\"")
        );
        assert_eq!(
            logged.lines().last(),
            Some(" WARN stateward::policy: the policy logs too much policy=\"team\" dropped=9980")
        );
    }

    #[test]
    fn long_lines_use_up_the_budget_too() {
        let logged = log((0..100).map(|_| "x".repeat(1 << 20)));
        assert!(logged.len() < 2 * MAX_BYTES, "{}", logged.len());
        assert_eq!(logged.lines().count(), MAX_BYTES / MAX_LINE_BYTES + 1);
    }
}
