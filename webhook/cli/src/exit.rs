//! Exit codes: a pipeline must tell "refused" from "could not judge".

use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use stateward_manifests::InputError;
use stateward_report::wrong::Wrong;

/// What happened, as far as the exit code tells. Everything false: nothing was denied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exit {
    /// 2: wrong arguments, input that cannot be read or parsed.
    pub(crate) unreadable: bool,
    /// 4: the cluster or a registry cannot be reached.
    pub(crate) unreachable: bool,
    /// 3: a policy did not load, or failed.
    pub(crate) policy_failed: bool,
    /// 1: the final action of a finding is Deny, or as `--require-decided` asks.
    pub(crate) denied: bool,
    /// 5: no object that any rule judges.
    pub(crate) nothing_judged: bool,
}

impl Exit {
    /// Only that the arguments or the input are wrong.
    pub(crate) fn usage() -> Self {
        Self { unreadable: true, ..Self::default() }
    }

    /// Of several at once the one that a person must look at first.
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(self.number())
    }

    fn number(self) -> u8 {
        match self {
            Self { unreadable: true, .. } => 2,
            Self { unreachable: true, .. } => 4,
            Self { policy_failed: true, .. } => 3,
            Self { denied: true, .. } => 1,
            Self { nothing_judged: true, .. } => 5,
            _ => 0,
        }
    }
}

/// Whether whoever reads our output has closed it.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Says on stderr what is wrong.
pub(crate) fn print_errors(errors: &[InputError]) {
    for error in errors {
        anstream::eprintln!("{ERROR}error{ERROR:#}: {error}");
    }
}

/// The same for a report.
pub(crate) fn wrong(error: &InputError) -> Wrong {
    Wrong {
        file: error.file.clone(),
        line: error.position.map(|position| position.line),
        column: error.position.map(|position| position.column),
        message: error.message.clone(),
        hint: error.hint.clone(),
    }
}

/// How the word `error` looks on stderr.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();

/// How the words `warning` and `note` look on stderr.
pub(crate) const NOTE: Style = AnsiColor::Yellow.on_default().bold();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_wins_over_four_over_three_over_one() {
        let all = Exit { unreadable: true, unreachable: true, policy_failed: true, denied: true, nothing_judged: true };
        let codes = [
            all,
            Exit { unreadable: false, ..all },
            Exit { unreadable: false, unreachable: false, ..all },
            Exit { denied: true, ..Exit::default() },
            Exit { nothing_judged: true, ..Exit::default() },
            Exit::default(),
        ];
        assert_eq!(codes.map(Exit::number), [2, 4, 3, 1, 5, 0]);
    }
}
