//! How long a call may take and when it is tried again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// Of one call to the API server. Its own limit is 60 s; whoever waits that long for a small object does better to ask again.
pub(crate) const CALL: Duration = Duration::from_secs(10);

/// The answer of a call to the API server, or that none came within the time: a client waits for ever, since watches are silent for minutes.
pub(crate) async fn timely<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, kube::Error> {
    let too_slow = || kube::Error::Service(format!("no answer within {} s", limit.as_secs()).into());
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| Err(too_slow()))
}

/// Up to a fifth longer, so that replicas that failed together do not all come back at once.
pub fn jittered(wait: Duration) -> Duration {
    wait + wait.mul_f64(random() as f64 / u64::MAX as f64 / 5.0)
}

/// Differs from call to call and from process to process. Not for secrets.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_fifth() {
        for _ in 0..1000 {
            let wait = jittered(Duration::from_secs(10));
            assert!((Duration::from_secs(10)..=Duration::from_secs(12)).contains(&wait), "{wait:?}");
        }
    }
}
