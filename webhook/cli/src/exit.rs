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
    /// 1: the final action of a finding is Deny, or as `--fail-on` and `--require-decided` ask.
    pub(crate) denied: bool,
    /// 5: no object that any rule judges.
    pub(crate) nothing_judged: bool,
    /// 128 and the signal, as shells have it: ended by a second one.
    pub(crate) killed_by: Option<u8>,
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
            Self { killed_by: Some(signal), .. } => 128_u8.saturating_add(signal),
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

/// All causes in one line, then what to do. Causes bring their hints with them, which would stand in the middle of a sentence.
pub(crate) fn described(error: &anyhow::Error) -> String {
    let mut words = Vec::new();
    let mut hints = String::new();
    for cause in error.chain().map(ToString::to_string) {
        let hint = ["\nhint: ", "; hint: "].iter().find_map(|mark| cause.split_once(mark));
        match hint {
            Some((what, hint)) => {
                words.push(what.to_owned());
                hints.push_str(&format!("\nhint: {hint}"));
            }
            None => words.push(cause),
        }
    }
    format!("{}{hints}", words.join(": "))
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

/// On stderr, for what does not stop anything.
pub(crate) fn print_warnings(warnings: &[InputError]) {
    for warning in warnings {
        anstream::eprintln!("{NOTE}warning{NOTE:#}: {warning}");
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
    fn a_hint_stands_behind_all_causes() {
        let error =
            anyhow::anyhow!("no such file").context("cannot read `tls.crt`; hint: as in a Secret").context("no TLS");
        assert_eq!(described(&error), "no TLS: cannot read `tls.crt`: no such file\nhint: as in a Secret");
    }

    #[test]
    fn two_wins_over_four_over_three_over_one() {
        let all = Exit {
            unreadable: true,
            unreachable: true,
            policy_failed: true,
            denied: true,
            nothing_judged: true,
            killed_by: None,
        };
        let codes = [
            all,
            Exit { unreadable: false, ..all },
            Exit { unreadable: false, unreachable: false, ..all },
            Exit { denied: true, ..Exit::default() },
            Exit { nothing_judged: true, ..Exit::default() },
            Exit { killed_by: Some(15), ..Exit::default() },
            Exit::default(),
        ];
        assert_eq!(codes.map(Exit::number), [2, 4, 3, 1, 5, 143, 0]);
    }
}
