//! How many evaluations of one component run at once, and how many may wait. Components never share permits: fifty loopers of one policy
//! do not delay another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use stateward_core::evaluate::EvaluateError;
use tokio::sync::{Semaphore, SemaphorePermit};

/// One component's permits.
pub(crate) struct Permits {
    total: usize,
    /// Fair: first come, first served.
    free: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// Counted as waiting for as long as it lives, also when the waiting future is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Permits {
    pub(crate) fn new(total: usize, most_waiting: usize) -> Self {
        Self { total, free: Semaphore::new(total), waiting: AtomicUsize::new(0), most_waiting }
    }

    /// Waits for a permit until `until`; fails at once when too many are waiting already.
    pub(crate) async fn acquire(&self, until: Instant) -> Result<SemaphorePermit<'_>, EvaluateError> {
        if let Ok(permit) = self.free.try_acquire() {
            return Ok(permit);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        let overloaded = EvaluateError::Overloaded { waiting: before };
        if before >= self.most_waiting {
            return Err(overloaded);
        }
        match tokio::time::timeout_at(until.into(), self.free.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(overloaded),
        }
    }

    pub(crate) fn running(&self) -> usize {
        self.total.saturating_sub(self.free.available_permits())
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(5)
    }

    #[tokio::test]
    async fn waits_in_a_bounded_queue() {
        let permits = Permits::new(1, 1);
        let held = permits.acquire(soon()).await.unwrap();
        assert_eq!(permits.running(), 1);
        let far = Instant::now() + Duration::from_secs(60);
        let mut second = std::pin::pin!(permits.acquire(far));
        assert!(tokio::time::timeout(Duration::ZERO, &mut second).await.is_err());
        assert_eq!(permits.waiting(), 1);
        assert_eq!(permits.acquire(far).await.unwrap_err(), EvaluateError::Overloaded { waiting: 1 });
        drop(held);
        assert!(second.await.is_ok());
        assert_eq!(permits.waiting(), 0);
    }

    #[tokio::test]
    async fn gives_up_when_time_is_up() {
        let permits = Permits::new(1, 8);
        let _held = permits.acquire(soon()).await.unwrap();
        assert!(matches!(permits.acquire(soon()).await, Err(EvaluateError::Overloaded { .. })));
        assert_eq!(permits.waiting(), 0);
    }
}
