//! Answers with 300,000 findings that say nothing.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        let empty =
            || Finding { path: String::new(), place: String::new(), message: String::new(), hint: None, ..finding() };
        Judgement { findings: (0..300_000).map(|_| empty()).collect(), undecided: Vec::new() }
    }
}

export_policy!(Guest);
