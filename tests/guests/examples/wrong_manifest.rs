//! Describes itself in contradictions.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn describe() -> Manifest {
        let mut manifest = manifest();
        manifest.rules[0].id = "Not An Id".to_owned();
        manifest.rules[0].baseline = Action::Apply;
        manifest
    }
}

export_policy!(Guest);
