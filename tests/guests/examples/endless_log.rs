//! Logs without end.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        let line = "all work and no play ".repeat(25_000);
        loop {
            log(Level::Warn, &line);
        }
    }
}

export_policy!(Guest);
