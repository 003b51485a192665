//! The hidden subcommand that components are compiled in: Cranelift on hostile Wasm stays out of the process that serves.

use stateward_engine::compile_child;

use crate::exit::Exit;

pub(crate) fn run() -> anyhow::Result<Exit> {
    compile_child(std::io::stdin().lock(), std::io::stdout().lock())?;
    Ok(Exit::default())
}
