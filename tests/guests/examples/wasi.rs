//! Wants to know what time it is.
use stateward_guests::*;

mod clocks {
    wit_bindgen::generate!({
        inline: "
            package stateward:wasi-guest;

            world clocks {
                import wasi:clocks/wall-clock@0.2.0;
            }

            package wasi:clocks@0.2.0 {
                interface wall-clock {
                    now: func() -> u64;
                }
            }
        ",
        generate_all,
    });
}

struct Guest;

impl Policy for Guest {
    fn judge(_: &Request, _: &Unit) -> Judgement {
        judgement_with(|finding| finding.message = format!("it is {}", clocks::wasi::clocks::wall_clock::now()))
    }
}

export_policy!(Guest);
