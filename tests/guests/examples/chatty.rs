//! Logs ten thousand lines, then answers.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        for line in 0..10_000 {
            log(Level::Warn, &format!("chatty\u{1b}[2J says line {line}"));
        }
        judgement_with(|_| {})
    }
}

export_policy!(Guest);
