//! Looks up what it has not declared.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn describe() -> Manifest {
        manifest_that_reads_services()
    }

    fn judge(_: &Request, _: &Unit) -> Judgement {
        let secrets = GroupVersionKind { kind: "Secret".to_owned(), ..services() };
        judgement_with(|finding| finding.message = format!("{:?}", find(&query(secrets))))
    }
}

export_policy!(Guest);
