//! Wants its warning to be a denial.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        let raised = |action: Action| Finding { place: format!("{action:?}"), at_most: Some(action), ..finding() };
        Judgement { findings: vec![raised(Action::Deny), raised(Action::Apply)], undecided: Vec::new() }
    }
}

export_policy!(Guest);
