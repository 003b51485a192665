//! Judges by the rule that changes.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        judgement_with(|finding| finding.rule = CHANGES)
    }
}

export_policy!(Guest);
