//! The clock of running guests.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::EngineWeak;

/// How long a guest runs before it must make way.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Moves the epoch on every millisecond while calls run. A plain thread: a runtime whose workers are all busy with guests must not stop the
/// clock that interrupts them. After a stall it goes on with one tick, since a burst would end innocent calls. Where nothing runs it stands
/// still: a thousand wake-ups a second are two percent of a core. It ends when this is dropped.
pub(crate) struct Ticker {
    ticks: Arc<Ticks>,
    thread: Thread,
}

/// A call that needs the clock.
pub(crate) struct Running<'a>(&'a Ticks);

/// What the thread and those who need it share.
#[derive(Default)]
struct Ticks {
    /// The number of running calls, and the two flags.
    state: AtomicUsize,
    counted: AtomicU64,
}

impl Ticker {
    /// Starts the thread.
    pub(crate) fn start(engine: &wasmtime::Engine) -> io::Result<Self> {
        Self::start_with(engine, IDLE_TICKS)
    }

    fn start_with(engine: &wasmtime::Engine, idle_ticks: u32) -> io::Result<Self> {
        let ticks = Arc::new(Ticks::default());
        let (engine, shared) = (engine.weak(), Arc::clone(&ticks));
        let thread = thread::Builder::new()
            .name("stateward-ticks".to_owned())
            .spawn(move || shared.tick_until_closed(&engine, idle_ticks))?;
        Ok(Self { ticks, thread: thread.thread().clone() })
    }

    /// Keeps the clock going until what this answers is dropped. To be called before the call's first epoch is read.
    pub(crate) fn run(&self) -> Running<'_> {
        let before = self.ticks.state.fetch_add(ONE_CALL, Ordering::AcqRel);
        if before & PARKED != 0 {
            self.ticks.state.fetch_and(!PARKED, Ordering::AcqRel);
            self.thread.unpark();
        }
        Running(&self.ticks)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.ticks.state.fetch_or(CLOSED, Ordering::AcqRel);
        self.thread.unpark();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_sub(ONE_CALL, Ordering::AcqRel);
    }
}

impl Ticks {
    fn tick_until_closed(&self, engine: &EngineWeak, idle_ticks: u32) {
        let mut idle = 0;
        while self.state.load(Ordering::Acquire) & CLOSED == 0 {
            // Also right after parking: a call's first turn ends no later than on a clock that never stood still.
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
            drop(engine);
            self.counted.fetch_add(1, Ordering::AcqRel);
            thread::sleep(TICK);
            idle = if self.is_idle() { idle + 1 } else { 0 };
            if idle >= idle_ticks {
                self.park();
                idle = 0;
            }
        }
    }

    /// Waits for the next call, unless one has begun meanwhile.
    fn park(&self) {
        if self.state.compare_exchange(0, PARKED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return;
        }
        // Whoever takes the flag away, or closes, unparks afterwards: that is remembered if this thread does not sleep yet.
        while self.state.load(Ordering::Acquire) == PARKED {
            thread::park();
        }
    }

    fn is_idle(&self) -> bool {
        self.state.load(Ordering::Acquire) < ONE_CALL
    }
}

/// The thread stands still. Only ever set while there is no call.
const PARKED: usize = 1;
/// Nobody needs the thread any more.
const CLOSED: usize = 2;
const ONE_CALL: usize = 4;

/// Long enough for a server with a few requests a second never to stop the clock: waking it costs as much as a small evaluation.
const IDLE_TICKS: u32 = 250;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Waits for a condition; only a clock that never does what it must makes this fail.
    #[track_caller]
    fn until(condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(60), "it never happened");
            thread::yield_now();
        }
    }

    impl Ticker {
        fn is_parked(&self) -> bool {
            self.ticks.state.load(Ordering::Acquire) & PARKED != 0
        }

        fn counted(&self) -> u64 {
            self.ticks.counted.load(Ordering::Acquire)
        }
    }

    #[test]
    fn stands_still_while_nothing_runs_and_goes_on_for_every_call() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start_with(&engine, 1).unwrap();
        for _ in 0..200 {
            until(|| ticker.is_parked());
            let before = ticker.counted();
            let running = [ticker.run(), ticker.run()];
            assert!(!ticker.is_parked());
            // More than the one tick that it wakes up with.
            until(|| ticker.counted() >= before + 3);
            drop(running);
        }
    }

    #[test]
    fn does_not_tick_while_it_stands_still() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start_with(&engine, 1).unwrap();
        let ticks = Arc::clone(&ticker.ticks);
        until(|| ticker.is_parked());
        let before = ticker.counted();
        // A spurious wake-up is none.
        (0..100).for_each(|_| ticker.thread.unpark());
        drop(ticker);
        until(|| Arc::strong_count(&ticks) == 1);
        assert_eq!(ticks.counted.load(Ordering::Acquire), before);
    }

    #[test]
    fn ends_with_its_owner_even_while_it_ticks() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start(&engine).unwrap();
        let ticks = Arc::clone(&ticker.ticks);
        drop(ticker);
        until(|| Arc::strong_count(&ticks) == 1);
    }
}
