//! Points in a language of its own.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        judgement_with(|finding| finding.path = "spec.replicas".to_owned())
    }
}

export_policy!(Guest);
