//! Wants to change what is not there.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn mutate(_: Request, _: Unit) -> Result<Outcome, String> {
        let change = Change::JsonPatch(r#"[{"op":"replace","path":"/no/where","value":1}]"#.to_owned());
        Ok(Outcome { mutations: vec![Mutation { rule: CHANGES, change, note: None }], undecided: Vec::new() })
    }
}

export_policy!(Guest);
