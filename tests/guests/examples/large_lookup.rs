//! Looks up more than the host hands out.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn describe() -> Manifest {
        manifest_that_reads_services()
    }

    fn judge(_: &Request, _: &Unit) -> Judgement {
        let found = match find(&query(services())) {
            Found::Unknown => "unknown".to_owned(),
            Found::Objects(objects) => format!("{} objects", objects.len()),
        };
        judgement_with(|finding| finding.message = found)
    }
}

export_policy!(Guest);
