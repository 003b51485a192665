//! Whose turn it is among the guests that have not answered within their first turn.
//!
//! A guest yields at every tick, but a yield alone only sends it to the end of the worker's queue: with fifty loopers on one thread a
//! newcomer would wait fifty ticks each time it is polled. So a guest that has used up its first turn must hold one of a few turns of this
//! lane (as many as there are cores) for each further tick; all others that loop are parked and cost nobody anything. The worker's queue then
//! holds at most that many loopers, and a newcomer, which needs no turn, waits at most that many ticks.
//!
//! The next turn goes to the guest that has used the least so far (least attained service), and among equals to the first that asked. A slow
//! but honest guest, Python's 2 ms, overtakes every looper; a looper only ever waits for those that need less than it has had, or for its like.
//! Who starves ends at the request's deadline.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// The turns of all guests of one engine.
pub(crate) struct SlowLane(Mutex<State>);

struct State {
    free: usize,
    arrivals: u64,
    /// The next one is the greatest.
    waiting: BinaryHeap<Waiting>,
}

struct Waiting {
    used_ms: u64,
    arrival: u64,
    turn: oneshot::Sender<Turn>,
}

/// The right to run for one tick. Dropping it passes it on.
pub(crate) struct Turn(Option<Arc<SlowLane>>);

impl SlowLane {
    pub(crate) fn new(turns: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { free: turns.max(1), arrivals: 0, waiting: BinaryHeap::new() })))
    }

    /// Waits for a turn. Dropping the future gives the place up.
    pub(crate) async fn turn(self: &Arc<Self>, used: Duration) -> Turn {
        match self.ask(used) {
            Ok(turn) => turn,
            // The sender is only dropped with the lane, which outlives this call: then nobody else needs the turn.
            Err(coming) => coming.await.unwrap_or(Turn(None)),
        }
    }

    fn ask(self: &Arc<Self>, used: Duration) -> Result<Turn, oneshot::Receiver<Turn>> {
        let mut state = self.lock();
        if state.free > 0 {
            state.free -= 1;
            return Ok(Turn(Some(Arc::clone(self))));
        }
        let (turn, coming) = oneshot::channel();
        let arrival = state.arrivals;
        state.arrivals += 1;
        let used_ms = u64::try_from(used.as_millis()).unwrap_or(u64::MAX);
        state.waiting.push(Waiting { used_ms, arrival, turn });
        Err(coming)
    }

    /// Gives a turn to the next in line who still waits.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            let Some(next) = state.waiting.pop() else {
                state.free += 1;
                return;
            };
            drop(state);
            match next.turn.send(Turn(Some(Arc::clone(self)))) {
                Ok(()) => return,
                // Its call has ended meanwhile. Emptied, or dropping it would pass it on a second time.
                Err(mut unwanted) => unwanted.0 = None,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            lane.pass_on();
        }
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.used_ms, other.arrival).cmp(&(self.used_ms, self.arrival))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_least_used_goes_first_then_the_first_that_asked() {
        let lane = SlowLane::new(1);
        let held = lane.ask(ms(0)).ok().unwrap();
        let mut waiting: Vec<_> = [5, 1, 3, 1].into_iter().map(|used| lane.ask(ms(used)).err().unwrap()).collect();
        let mut order = Vec::new();
        let mut turn = Some(held);
        while turn.take().is_some() {
            turn = waiting.iter_mut().enumerate().find_map(|(place, coming)| {
                let turn = coming.try_recv().ok()?;
                order.push(place);
                Some(turn)
            });
        }
        assert_eq!(order, [1, 3, 2, 0]);
        assert_eq!(lane.lock().free, 1);
    }

    #[test]
    fn whoever_left_is_passed_over() {
        let lane = SlowLane::new(1);
        let held = lane.ask(ms(0)).ok().unwrap();
        let gone = lane.ask(ms(1)).err().unwrap();
        let mut there = lane.ask(ms(2)).err().unwrap();
        drop(gone);
        drop(held);
        let turn = there.try_recv().unwrap();
        drop(turn);
        assert_eq!(lane.lock().free, 1);
    }

    #[test]
    fn a_turn_that_nobody_took_out_of_the_channel_is_passed_on() {
        let lane = SlowLane::new(1);
        let held = lane.ask(ms(0)).ok().unwrap();
        let coming = lane.ask(ms(1)).err().unwrap();
        drop(held);
        assert_eq!(lane.lock().free, 0);
        drop(coming);
        assert_eq!(lane.lock().free, 1);
    }
}
