//! `?timeout=5s`: how long the API server waits for this call.

use std::time::{Duration, Instant};

use super::rejection::Rejection;

/// The webhook's `timeoutSeconds`, which the API server passes along; without it, the API server's default.
pub(super) fn of_query(query: Option<&str>) -> Result<Duration, Rejection> {
    let given = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("timeout="));
    match given {
        None => Ok(DEFAULT),
        Some(text) => parse(text).filter(|timeout| !timeout.is_zero()).map(|timeout| timeout.min(LARGEST)).ok_or(Rejection::BadTimeout),
    }
}

/// When the verdict is due: early enough for the answer to be written and read.
pub(super) fn deadline(received: Instant, timeout: Duration) -> Instant {
    received + timeout - (timeout / MARGIN_SHARE).min(LARGEST_MARGIN)
}

/// As Go's `time.ParseDuration`, for positive durations: `1m30s`, `1.5s`, `500ms`.
fn parse(text: &str) -> Option<Duration> {
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
const UNITS: [(&str, f64); 7] = [("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("ns", 1e-9)];

/// Of `timeoutSeconds` in a webhook configuration.
const DEFAULT: Duration = Duration::from_secs(10);
/// The API server refuses more than 30.
const LARGEST: Duration = Duration::from_secs(30);

/// A tenth, so that 1 s leaves 100 ms for two network ways and a busy API server.
const MARGIN_SHARE: u32 = 10;
const LARGEST_MARGIN: Duration = Duration::from_millis(500);

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
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in ["", "5", "s", "-5s", "5 s", "5sec", "1e9s", "..s", "NaNs", "99999999999999999999999h"] {
            check(text, None);
        }
    }

    #[test]
    fn takes_the_default_and_the_largest() {
        assert_eq!(of_query(None).unwrap(), DEFAULT);
        assert_eq!(of_query(Some("a=b")).unwrap(), DEFAULT);
        assert_eq!(of_query(Some("a=b&timeout=1h")).unwrap(), LARGEST);
        assert!(of_query(Some("timeout=0s")).is_err());
        assert!(of_query(Some("timeout=")).is_err());
    }
}
