//! Never says what it is.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn describe() -> Manifest {
        loop {
            std::hint::black_box(());
        }
    }
}

export_policy!(Guest);
