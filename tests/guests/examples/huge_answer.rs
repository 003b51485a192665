//! Answers with 10 MB of findings.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        let found =
            |number: usize| Finding { message: format!("{number:0>100}"), place: number.to_string(), ..finding() };
        Judgement { findings: (0..100_000).map(found).collect(), undecided: Vec::new() }
    }
}

export_policy!(Guest);
