//! A guest's own running time: what its policy's `limits.timeout` bounds. Time that it waits, for its turn or for a look-up, is not its own;
//! the request's deadline bounds that by the clock on the wall.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::UpdateDeadline;

use crate::failure::Stop;
use crate::lane::{SlowLane, Turn};
use crate::ticker::TICK;

/// One call's clock. Shared with the future that waits for the next turn while wasmtime holds the store.
#[derive(Clone)]
pub(crate) struct GuestClock {
    limit: Duration,
    lane: Arc<SlowLane>,
    running: Arc<Mutex<Running>>,
}

struct Running {
    used: Duration,
    since: Since,
    turn: Option<Turn>,
}

/// When the running turn began.
#[derive(Clone, Copy)]
enum Since {
    /// The first turn is measured on the wall, since that costs no system call, and never counted beyond its length.
    First(Instant),
    /// By the thread's CPU clock, so that a machine that stalls does not end an innocent call. A turn never changes threads.
    Cpu(Duration),
}

impl GuestClock {
    /// The first turn begins now.
    pub(crate) fn start(limit: Duration, lane: &Arc<SlowLane>) -> Self {
        let running = Running { used: Duration::ZERO, since: Since::First(Instant::now()), turn: None };
        Self { limit, lane: Arc::clone(lane), running: Arc::new(Mutex::new(running)) }
    }

    /// The turn is over: ends the call when its time is used up, else waits for the next turn.
    pub(crate) fn on_tick(&self) -> Result<UpdateDeadline, Stop> {
        let used = self.stop();
        if used >= self.limit {
            return Err(Stop::TimedOut);
        }
        let clock = self.clone();
        Ok(UpdateDeadline::YieldCustom(
            1,
            Box::pin(async move {
                let turn = clock.lane.turn(used).await;
                // To the end of the worker's queue, behind sockets and newcomers: whoever passed the turn on woke us to its front.
                tokio::task::yield_now().await;
                let mut running = clock.lock();
                running.turn = Some(turn);
                running.since = Since::Cpu(cpu_time());
            }),
        ))
    }

    /// The guest begins to wait for the host.
    pub(crate) fn pause(&self) {
        self.stop();
    }

    /// The guest goes on, perhaps on another thread; until the next tick without a turn.
    pub(crate) fn resume(&self) {
        let mut running = self.lock();
        running.since = match running.since {
            Since::First(_) => Since::First(Instant::now()),
            Since::Cpu(_) => Since::Cpu(cpu_time()),
        };
    }

    /// Counts what has run and gives the turn back.
    fn stop(&self) -> Duration {
        let mut running = self.lock();
        let ran = match running.since {
            Since::First(start) => start.elapsed().min(TICK * FIRST_TURN_TICKS),
            Since::Cpu(start) => cpu_time().saturating_sub(start),
        };
        running.used += ran;
        let turn = running.turn.take();
        let used = running.used;
        drop(running);
        drop(turn);
        used
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// CPU time of the calling thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Between one and two milliseconds, depending on when the next tick falls: a good policy needs 0.03 and is never interrupted.
pub(crate) const FIRST_TURN_TICKS: u32 = 2;
