//! Denies every StatefulSet by a rule that is fixed.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn describe() -> Manifest {
        let mut manifest = manifest();
        let rule = &mut manifest.rules[0];
        (rule.fixed, rule.baseline, rule.strict) = (true, Action::Deny, Action::Deny);
        manifest
    }
}

export_policy!(Guest);
