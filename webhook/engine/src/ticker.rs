//! The clock of running guests.

use std::io;
use std::time::Duration;

/// How long a guest runs before it must make way.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Moves the epoch on every millisecond for as long as the engine lives. A plain thread: a runtime whose workers are all busy with guests
/// must not stop the clock that interrupts them. After a stall it goes on with one tick, since a burst would end innocent calls.
pub(crate) fn start(engine: &wasmtime::Engine) -> io::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new().name("stateward-ticks".to_owned()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(())
}
