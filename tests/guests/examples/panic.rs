//! Panics.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(request: &Request, _: &Unit) -> Judgement {
        panic!("cannot judge {}", request.uid)
    }
}

export_policy!(Guest);
