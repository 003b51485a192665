//! Durations as Go writes them, since Kubernetes does.

use std::time::Duration;

/// As Go's `time.ParseDuration`, for durations that are not negative: `1m30s`, `1.5s`, `500ms`, `0`.
pub fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len()));
        seconds += number.parse::<f64>().ok()? * UNITS.iter().find(|(name, _)| *name == unit)?.1;
        rest = after;
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(seconds).ok() }
}

/// In seconds.
const UNITS: [(&str, f64); 7] =
    [("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("ns", 1e-9)];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<f64>) {
        assert_eq!(parse(text), expected.map(Duration::from_secs_f64), "{text}");
    }

    #[test]
    fn reads_what_go_writes() {
        check("5s", Some(5.0));
        check("1m30s", Some(90.0));
        check("1.5s", Some(1.5));
        check("250ms", Some(0.25));
        check("1h0m0.5s", Some(3600.5));
        check("0", Some(0.0));
        check("0s", Some(0.0));
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in ["", "5", "s", "-5s", "5 s", "5sec", "1e9s", "..s", "NaNs", "99999999999999999999999h"] {
            check(text, None);
        }
    }
}
