//! Calls itself until the stack ends.
#![expect(unconditional_recursion, reason = "that is what it is for")]
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(request: &Request, unit: &Unit) -> Judgement {
        let mut judgement = Self::judge(std::hint::black_box(request), unit);
        judgement.findings.push(finding());
        judgement
    }
}

export_policy!(Guest);
