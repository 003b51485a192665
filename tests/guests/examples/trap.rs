//! Executes `unreachable`.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        core::arch::wasm32::unreachable()
    }
}

export_policy!(Guest);
