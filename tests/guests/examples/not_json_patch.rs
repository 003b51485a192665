//! Wants to change in a language of its own.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn mutate(_: Request, _: Unit) -> Result<Outcome, String> {
        let change = Change::MergePatch("metadata: {}".to_owned());
        Ok(Outcome { mutations: vec![Mutation { rule: CHANGES, change, note: None }], undecided: Vec::new() })
    }
}

export_policy!(Guest);
