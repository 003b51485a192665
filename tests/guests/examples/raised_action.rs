//! Wants its warning to be a denial.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        judgement_with(|finding| finding.at_most = Some(Action::Apply))
    }
}

export_policy!(Guest);
