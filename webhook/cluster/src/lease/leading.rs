//! What the rest of the program sees of leadership: whether we lead, and work that is dropped when we no longer do.

use std::time::Duration;

use tokio::sync::watch;

/// Whether this replica leads. Clones see the same.
#[derive(Clone, Debug)]
pub struct Leading {
    leads: watch::Receiver<bool>,
    at_work: watch::Sender<usize>,
}

/// The other end, of whoever runs for leader.
#[derive(Debug)]
pub(crate) struct Office {
    leads: watch::Sender<bool>,
    at_work: watch::Sender<usize>,
}

impl Leading {
    pub(crate) fn new() -> (Office, Self) {
        let (leads, receiver) = watch::channel(false);
        let at_work = watch::Sender::new(0);
        (Office { leads, at_work: at_work.clone() }, Self { leads: receiver, at_work })
    }

    /// Whether we lead now.
    pub fn now(&self) -> bool {
        *self.leads.borrow()
    }

    /// For metrics and whoever waits for a change.
    pub fn receiver(&self) -> watch::Receiver<bool> {
        self.leads.clone()
    }

    fn work(&self) -> AtWork {
        self.at_work.send_modify(|workers| *workers += 1);
        AtWork(self.at_work.clone())
    }
}

impl Office {
    pub(crate) fn lead(&self) {
        self.leads.send_replace(true);
    }

    /// Stops the work; whether all of it had ended after `limit`.
    pub(crate) async fn leave(&self, limit: Duration) -> bool {
        self.leads.send_replace(false);
        let mut at_work = self.at_work.subscribe();
        tokio::time::timeout(limit, at_work.wait_for(|workers| *workers == 0)).await.is_ok()
    }
}

/// Runs `work` from its start whenever we lead and drops it when we no longer do. Ends when nobody runs for leader any more.
///
/// Work that ends by itself is not begun again before the next time that we lead.
pub async fn while_leading<F: Future<Output = ()>>(leading: &Leading, mut work: impl FnMut() -> F) {
    let mut leads = leading.receiver();
    while leads.wait_for(|leads| *leads).await.is_ok() {
        // Counted until the work is dropped: the Lease is released only after that.
        let at_work = leading.work();
        let lost = async {
            tokio::select! {
                biased;
                lost = leads.wait_for(|leads| !*leads) => lost.map(|_| ()),
                () = async { work().await; std::future::pending().await } => Ok(()),
            }
        };
        let lost = lost.await;
        drop(at_work);
        if lost.is_err() {
            return;
        }
    }
}

struct AtWork(watch::Sender<usize>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.send_modify(|workers| *workers = workers.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    /// Counts how often it was begun and dropped.
    #[derive(Clone, Default)]
    struct Work {
        begun: Arc<AtomicUsize>,
        dropped: Arc<AtomicUsize>,
    }

    struct OnDrop(Arc<AtomicUsize>);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Work {
        async fn run(self) {
            self.begun.fetch_add(1, Ordering::SeqCst);
            let _on_drop = OnDrop(self.dropped);
            std::future::pending::<()>().await;
        }

        fn counts(&self) -> (usize, usize) {
            (self.begun.load(Ordering::SeqCst), self.dropped.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn work_is_dropped_before_leaving_is_done_and_begins_anew() {
        block_on(async {
            let (office, leading) = Leading::new();
            let work = Work::default();
            let scenario = async {
                for term in 1..=3 {
                    office.lead();
                    while work.counts().0 < term {
                        tokio::task::yield_now().await;
                    }
                    assert!(leading.now());
                    assert!(office.leave(Duration::from_secs(5)).await);
                    assert_eq!(work.counts(), (term, term));
                }
            };
            tokio::select! {
                () = while_leading(&leading, || work.clone().run()) => panic!("ended while somebody runs for leader"),
                () = scenario => {}
            }
        });
    }

    #[test]
    fn ends_with_its_owner() {
        block_on(async {
            let (office, leading) = Leading::new();
            office.lead();
            drop(office);
            let work = Work::default();
            while_leading(&leading, || work.clone().run()).await;
            assert_eq!(work.counts().0, work.counts().1);
        });
    }

    #[test]
    fn work_that_ends_waits_for_the_next_term() {
        block_on(async {
            let (office, leading) = Leading::new();
            let begun = AtomicUsize::new(0);
            let scenario = async {
                for term in 1..=2 {
                    office.lead();
                    while begun.load(Ordering::SeqCst) < term {
                        tokio::task::yield_now().await;
                    }
                    assert!(office.leave(Duration::from_secs(5)).await);
                }
            };
            tokio::select! {
                () = while_leading(&leading, || async { begun.fetch_add(1, Ordering::SeqCst); }) => panic!("ended"),
                () = scenario => assert_eq!(begun.load(Ordering::SeqCst), 2),
            }
        });
    }
}
