//! Never answers.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        loop {
            std::hint::black_box(());
        }
    }
}

export_policy!(Guest);
