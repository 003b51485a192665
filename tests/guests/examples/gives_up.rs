//! Says in words that it cannot go on.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn validate(_: Request, _: Vec<Unit>) -> Result<Vec<Judgement>, String> {
        Err("cannot read\u{1b}[2J the object\nat all".to_owned())
    }
}

export_policy!(Guest);
