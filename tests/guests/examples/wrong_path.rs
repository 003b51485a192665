//! Points to a field that does not exist.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        judgement_with(|finding| finding.path = "/spec/there/is/7/none".to_owned())
    }
}

export_policy!(Guest);
