//! Never says whether settings are right.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn validate_settings(_: String) -> Result<(), Vec<String>> {
        loop {
            std::hint::black_box(());
        }
    }
}

export_policy!(Guest);
