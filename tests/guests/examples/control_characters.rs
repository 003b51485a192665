//! Writes to terminals behind the reader's back.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        judgement_with(|finding| {
            finding.message = "red\u{1b}[31m, null\0, backwards\u{202e}, a\nbreak".to_owned();
            finding.place = "a\u{7}place".to_owned();
        })
    }
}

export_policy!(Guest);
