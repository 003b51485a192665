//! Never says what it would change.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn mutate(_: Request, _: Unit) -> Result<Outcome, String> {
        loop {
            std::hint::black_box(());
        }
    }
}

export_policy!(Guest);
