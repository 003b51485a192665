//! Answers with text that is not UTF-8.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        judgement_with(|finding| {
            // SAFETY: unsound on purpose: the bytes are only handed to the host, which must refuse them.
            finding.message = unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe]) };
        })
    }
}

export_policy!(Guest);
