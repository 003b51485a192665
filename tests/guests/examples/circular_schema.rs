//! Has a settings schema without end.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn describe() -> Manifest {
        Manifest { settings_schema: r##"{"$ref":"#"}"##.to_owned(), ..manifest() }
    }
}

export_policy!(Guest);
