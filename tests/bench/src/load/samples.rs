//! Runs all clients at once for a while, and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Client, PATIENCE, Report, nanoseconds_since};
use crate::statistics::percentile;

/// The clients, between two runs.
pub(super) struct Clients<C> {
    idle: Vec<C>,
    /// Of reviews: the rotation goes on from run to run.
    next: Arc<AtomicU64>,
}

#[derive(Default)]
struct Counts {
    latencies_ns: Vec<u64>,
    allowed: u64,
    errors: u64,
    first_error: Option<String>,
}

impl<C: Client> Clients<C> {
    pub(super) fn new(clients: Vec<C>) -> Self {
        Self { idle: clients, next: Arc::default() }
    }

    pub(super) async fn run(&mut self, reviews: usize, most: u64, time: Duration) -> Report {
        let start = Instant::now();
        let left = Arc::new(AtomicU64::new(most));
        let failed = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> = std::mem::take(&mut self.idle)
            .into_iter()
            .map(|mut client| {
                let (left, failed, next) = (Arc::clone(&left), Arc::clone(&failed), Arc::clone(&self.next));
                tokio::spawn(async move {
                    let mut counts = Counts::default();
                    // The first error ends the run: it must not happen at all.
                    while start.elapsed() < time && !failed.load(Ordering::Relaxed) && take_one(&left) {
                        let turn = next.fetch_add(1, Ordering::Relaxed);
                        let review = usize::try_from(turn).unwrap_or_default() % reviews;
                        let asked = Instant::now();
                        match tokio::time::timeout(PATIENCE, client.ask(review)).await {
                            Ok(Ok(answer)) => {
                                counts.latencies_ns.push(nanoseconds_since(asked));
                                counts.allowed += u64::from(answer.allowed);
                            }
                            Ok(Err(error)) => counts.fail(&failed, format!("{error:#}")),
                            Err(_elapsed) => counts.fail(&failed, "no answer in time".to_owned()),
                        }
                    }
                    (client, counts)
                })
            })
            .collect();
        let mut all = Counts::default();
        for task in tasks {
            match task.await {
                Ok((client, counts)) => {
                    self.idle.push(client);
                    all.add(counts);
                }
                Err(panic) => all.fail(&failed, panic.to_string()),
            }
        }
        all.into_report(start.elapsed())
    }
}

fn take_one(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

impl Counts {
    fn fail(&mut self, failed: &AtomicBool, error: String) {
        failed.store(true, Ordering::Relaxed);
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }

    fn add(&mut self, other: Self) {
        self.latencies_ns.extend(other.latencies_ns);
        self.allowed += other.allowed;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    #[expect(clippy::cast_precision_loss, reason = "latencies in nanoseconds, shown in microseconds")]
    fn into_report(mut self, took: Duration) -> Report {
        self.latencies_ns.sort_unstable();
        let at = |share: f64| percentile(&self.latencies_ns, share) as f64 / 1e3;
        Report {
            answered: self.latencies_ns.len() as u64,
            allowed: self.allowed,
            errors: self.errors,
            seconds: took.as_secs_f64(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            max_us: at(1.0),
            first_error: self.first_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Answer;
    use anyhow::{Result, bail};

    /// Breaks at its n-th question.
    struct Fake(u64);

    impl Client for Fake {
        async fn ask(&mut self, n: usize) -> Result<Answer> {
            tokio::task::yield_now().await;
            self.0 -= 1;
            if self.0 == 0 { bail!("broken") } else { Ok(Answer { allowed: n == 0 }) }
        }
    }

    #[tokio::test]
    async fn sends_no_more_than_asked() {
        let mut clients = Clients::new(vec![Fake(1_000), Fake(1_000), Fake(1_000)]);
        let report = clients.run(2, 100, PATIENCE).await;
        assert_eq!((report.answered, report.allowed, report.errors), (100, 50, 0));
        assert!(report.p50_us <= report.p99_us && report.p99_us <= report.max_us);
    }

    #[tokio::test]
    async fn the_first_error_ends_the_run() {
        let report = Clients::new(vec![Fake(3), Fake(u64::MAX)]).run(1, u64::MAX, PATIENCE).await;
        assert_eq!(report.errors, 1);
        assert_eq!(report.first_error.as_deref(), Some("broken"));
        assert!(report.answered < 10, "{}", report.answered);
    }
}
