//! The engine as the commands want it: compiling in a child of this binary, with a cache where the user keeps such things.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use stateward_engine::{Compiler, Engine, EngineError, EngineOptions};

use crate::exit::NOTE;

/// Starts it. A cache that cannot be used costs time, not the command: `warn` is told why.
pub(crate) fn start(warn: impl FnOnce(&EngineError)) -> anyhow::Result<Arc<Engine>> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    let compiler = Compiler::Child { program, args: vec!["compile-component".into()] };
    let options = EngineOptions {
        compiler,
        cache: cache_folder(),
        precompiled: folder("STATEWARD_PRECOMPILED_DIR"),
        ..EngineOptions::default()
    };
    match Engine::new(options.clone()) {
        Err(error @ (EngineError::UntrustedCache { .. } | EngineError::Cache { .. })) => {
            warn(&error);
            Ok(Engine::new(EngineOptions { cache: None, precompiled: None, ..options })?)
        }
        engine => Ok(engine?),
    }
}

/// For a person at a terminal.
pub(crate) fn print_warning(error: &EngineError) {
    anstream::eprintln!("{NOTE}warning{NOTE:#}: compiled policies are not kept: {error}");
}

/// `STATEWARD_CACHE_DIR`, else below the folder that the XDG base directories name.
fn cache_folder() -> Option<PathBuf> {
    let xdg = || folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    folder("STATEWARD_CACHE_DIR").or_else(|| xdg().map(|cache| cache.join("stateward")))
}

fn folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
