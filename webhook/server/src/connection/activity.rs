//! What a connection is doing: written by its requests and its reader, read by what ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// What a connection is doing.
pub(crate) struct Activity {
    opened: Instant,
    in_flight: AtomicU32,
    /// Milliseconds after `opened`: since when `in_flight` is what it is, or since when a header is being read.
    since_ms: AtomicU64,
    /// Bytes came after the last answer, and no request yet.
    in_header: AtomicBool,
    served: AtomicBool,
    /// The next answer is the connection's last.
    last: AtomicBool,
    answered: Notify,
}

/// Ends one request's part in the activity, however the request ends.
pub(crate) struct InFlight(Arc<Activity>);

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            in_flight: AtomicU32::new(0),
            since_ms: AtomicU64::new(0),
            in_header: AtomicBool::new(false),
            served: AtomicBool::new(false),
            last: AtomicBool::new(false),
            answered: Notify::new(),
        }
    }

    /// A request begins.
    pub(crate) fn begin(activity: &Arc<Self>) -> InFlight {
        activity.in_header.store(false, Relaxed);
        activity.in_flight.fetch_add(1, Relaxed);
        InFlight(Arc::clone(activity))
    }

    /// Bytes arrived.
    pub(crate) fn bytes_arrived(&self) {
        if self.in_flight.load(Relaxed) == 0 && !self.in_header.load(Relaxed) {
            self.stamp();
            self.in_header.store(true, Relaxed);
        }
    }

    /// How many requests are in flight, and since when.
    pub(crate) fn in_flight_since(&self) -> (u32, Instant) {
        (self.in_flight.load(Relaxed), self.since())
    }

    /// When the first byte of a header arrived whose rest is awaited.
    pub(crate) fn header_began(&self) -> Option<Instant> {
        self.in_header.load(Relaxed).then(|| self.since())
    }

    /// Whether it ever carried a request.
    pub(crate) fn has_served(&self) -> bool {
        self.served.load(Relaxed)
    }

    pub(crate) fn set_last(&self, last: bool) {
        self.last.store(last, Relaxed);
    }

    pub(crate) fn is_last(&self) -> bool {
        self.last.load(Relaxed)
    }

    /// Waits for an answer while it is the last.
    pub(crate) async fn answered(&self) {
        self.answered.notified().await;
    }

    fn since(&self) -> Instant {
        self.opened + Duration::from_millis(self.since_ms.load(Relaxed))
    }

    fn stamp(&self) {
        self.since_ms.store(u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let activity = &self.0;
        activity.stamp();
        activity.served.store(true, Relaxed);
        activity.in_flight.fetch_sub(1, Relaxed);
        if activity.is_last() {
            activity.answered.notify_one();
        }
    }
}
