//! Names a rule that does not exist.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        judgement_with(|finding| finding.rule = 99)
    }
}

export_policy!(Guest);
