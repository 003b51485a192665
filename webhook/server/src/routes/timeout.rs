//! `?timeout=5s`: how long the API server waits for this call.

use std::time::{Duration, Instant};

use super::rejection::Rejection;
use crate::duration;

/// The webhook's `timeoutSeconds`, which the API server passes along; without it, the API server's default.
pub(super) fn of_query(query: Option<&str>) -> Result<Duration, Rejection> {
    let given = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("timeout="));
    match given {
        None => Ok(DEFAULT),
        Some(text) => duration::parse(text)
            .filter(|timeout| !timeout.is_zero())
            .map(|timeout| timeout.min(LARGEST))
            .ok_or(Rejection::BadTimeout),
    }
}

/// When the verdict is due: early enough for the answer to be written and read.
pub(super) fn deadline(received: Instant, timeout: Duration) -> Instant {
    received + timeout - (timeout / MARGIN_SHARE).min(LARGEST_MARGIN)
}

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

    #[test]
    fn takes_the_default_and_the_largest() {
        assert_eq!(of_query(None).unwrap(), DEFAULT);
        assert_eq!(of_query(Some("a=b")).unwrap(), DEFAULT);
        assert_eq!(of_query(Some("a=b&timeout=1h")).unwrap(), LARGEST);
        assert!(of_query(Some("timeout=0s")).is_err());
        assert!(of_query(Some("timeout=")).is_err());
    }
}
