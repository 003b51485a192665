//! Looks up without end, each time a while.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn describe() -> Manifest {
        manifest_that_reads_services()
    }

    fn judge(_: &Request, _: &Unit) -> Judgement {
        loop {
            find(&query(services()));
        }
    }
}

export_policy!(Guest);
