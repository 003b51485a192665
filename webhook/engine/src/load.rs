//! Once per component: bytes become a [`Component`]. Every check that does not need a request is made here.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};
use stateward_core::evaluate::{Component, EvaluateError};
use wasmtime::component;

use crate::cache::{self, Key};

use crate::engine::Engine;
use crate::guest::Guest;
use crate::{describe, text};

/// Why a component does not load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Compiling costs minutes and gigabytes long before that.
    #[error(
        "it has {bytes} bytes; {MAX_COMPONENT_BYTES} are the most\nhint: build it in release mode with `opt-level = \"s\"` and without debug information"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Something else than a component.
    #[error("it is not a WebAssembly component but {what}\nhint: {hint}")]
    NotAComponent {
        /// What it looks like.
        what: &'static str,
        /// How to get a component.
        hint: &'static str,
    },
    /// Wasm that cannot be read, or needs a feature that is off.
    #[error("it is not a valid component: {reason}")]
    Invalid {
        /// In wasmtime's words.
        reason: String,
    },
    /// A guest can do nothing but answer.
    #[error("it imports `{import}`; a policy may import nothing but `stateward:policy/*`{hint}", hint = import_hint(import))]
    ForbiddenImport {
        /// Which import.
        import: String,
    },
    /// Another version of the contract, or none.
    #[error("it does not fit the contract `stateward:policy@{CONTRACT_VERSION}`: {reason}")]
    Contract {
        /// What is missing, or of another type.
        reason: String,
    },
    /// The child could not be run, fed or read.
    #[error("the compiler cannot be run: {0}")]
    Compiler(#[source] std::io::Error),
    /// Compiled, but cannot be stored or mapped.
    #[error("the compiled component cannot be kept: {0}")]
    Cache(#[source] std::io::Error),
    /// Took too long.
    #[error("compiling it took longer than {limit:?}\nhint: make the component smaller")]
    CompileTimedOut {
        /// The limit.
        limit: Duration,
    },
    /// Mostly out of memory.
    #[error(
        "the compiler died of signal {signal}\nhint: make the component smaller; compiling it may need more memory than there is"
    )]
    CompilerDied {
        /// Which signal.
        signal: i32,
    },
    /// The pool is full.
    #[error(
        "there is no room for another component: each reserves {permits} instances\nhint: remove policies, or lower the number of evaluations at once"
    )]
    NoRoom {
        /// Evaluations of the component at once.
        permits: usize,
    },
    /// It broke while it described itself.
    #[error("its `describe` {0}")]
    Describe(EvaluateError),
    /// What it says of itself contradicts itself.
    #[error("its manifest is wrong: {}", reasons.join("; "))]
    Manifest {
        /// Every complaint.
        reasons: Vec<String>,
    },
    /// The JSON Schema of its settings cannot be used.
    #[error("its settings schema is wrong: {reason}")]
    SettingsSchema {
        /// Why.
        reason: String,
    },
    /// The thread that loaded it panicked.
    #[error("loading it was interrupted")]
    Interrupted,
}

impl Engine {
    /// Compiles (or finds in the cache), instantiates once, lets it describe itself, and checks all of that.
    /// The same bytes loaded again are the same code, with the same permits, for as long as somebody holds it.
    pub async fn load(self: &Arc<Self>, reference: &str, wasm: &[u8]) -> Result<Component, LoadError> {
        let (guest, digest) = self.load_guest(reference, wasm).await?;
        Ok(component(reference, digest, guest))
    }

    /// The guest behind [`Engine::load`], and its digest.
    pub(crate) async fn load_guest(
        self: &Arc<Self>,
        reference: &str,
        wasm: &[u8],
    ) -> Result<(Arc<Guest>, String), LoadError> {
        check_header(wasm)?;
        let digest = format!("sha256:{}", cache::hex(&Sha256::digest(wasm)));
        let builtin = reference.starts_with(BUILTIN);
        // Built-in or not is part of the name, since it decides the permits.
        let name = format!("{digest} {builtin}");
        if let Some(guest) = self.registry().get(&name).and_then(Weak::upgrade) {
            return Ok((guest, digest));
        }
        let compiled = self.compiled(&digest, wasm).await?;
        check_imports(&compiled)?;
        let permits = if builtin { self.options.builtin_permits } else { self.options.permits };
        let guest = Arc::new(describe::describe(self, &compiled, permits).await?);
        let mut registry = self.registry();
        registry.retain(|_, guest| guest.strong_count() > 0);
        // Two loads of one component at once: the first one counts.
        if let Some(first) = registry.get(&name).and_then(Weak::upgrade) {
            return Ok((first, digest));
        }
        registry.insert(name, Arc::downgrade(&guest));
        Ok((guest, digest))
    }

    /// Machine code, from the image or the cache where it is there.
    async fn compiled(self: &Arc<Self>, digest: &str, wasm: &[u8]) -> Result<component::Component, LoadError> {
        let engine = Arc::clone(self);
        let key = Key::new(&self.wasmtime, digest);
        let (key, cached) = off_runtime(move || {
            let mut folders = [&engine.precompiled, &engine.cache].into_iter().flatten();
            let cached = folders.find_map(|folder| folder.load(&engine.wasmtime, &key));
            Ok((key, cached))
        })
        .await?;
        if let Some(component) = cached {
            return Ok(component);
        }
        let _permit = self.compiling.acquire().await.map_err(|_| LoadError::Interrupted)?;
        let engine = Arc::clone(self);
        let wasm = wasm.to_vec();
        off_runtime(move || engine.compile(&key, &wasm)).await
    }

    fn compile(&self, key: &Key, wasm: &[u8]) -> Result<component::Component, LoadError> {
        let Some(cache) = &self.cache else {
            return component::Component::from_binary(&self.wasmtime, wasm).map_err(|error| LoadError::Invalid {
                reason: text::clean(&error.root_cause().to_string(), MAX_REASON_BYTES),
            });
        };
        let code = self.options.compiler.compile(&self.wasmtime, wasm, self.options.compile_timeout)?;
        cache.store(key, &code).and_then(|()| cache.load_stored(&self.wasmtime, key)).map_err(LoadError::Cache)
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, HashMap<String, Weak<Guest>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A loaded guest as core knows it.
pub(crate) fn component(reference: &str, digest: String, guest: Arc<Guest>) -> Component {
    Component { reference: reference.to_owned(), digest, manifest: Arc::clone(&guest.manifest), code: guest }
}

/// What takes milliseconds or more must not hold a worker.
async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(LoadError::Interrupted))
}

/// Size and first bytes: what needs no compiler to be refused.
fn check_header(wasm: &[u8]) -> Result<(), LoadError> {
    let not = |what, hint| Err(LoadError::NotAComponent { what, hint });
    match wasm {
        _ if wasm.len() > MAX_COMPONENT_BYTES => Err(LoadError::TooLarge { bytes: wasm.len() }),
        [] => not("an empty file", BUILD_HINT),
        // The fifth to eighth byte: version and layer. Components are layer 1, modules version 1 of layer 0.
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => not("a core module", WRAP_HINT),
        [b'\0', b'a', b's', b'm', ..] => not("a version of WebAssembly that is not known here", BUILD_HINT),
        [b'(', ..] | [b';', ..] => not("WebAssembly in text form", "translate it with `wasm-tools parse`"),
        [0x7f, b'E', b'L', b'F', ..] => {
            not("a native program or a compiled component", "give the `.wasm` that it was made from")
        }
        _ => not("something else", BUILD_HINT),
    }
}

/// The import list, as wasmtime sees it. Exports beyond the contract's are normal and ignored.
fn check_imports(compiled: &component::Component) -> Result<(), LoadError> {
    let engine = compiled.engine();
    match compiled.component_type().imports(engine).find(|(import, _)| !import.starts_with(ALLOWED_IMPORTS)) {
        Some((import, _)) => Err(LoadError::ForbiddenImport { import: text::clean(import, MAX_REASON_BYTES) }),
        None => Ok(()),
    }
}

fn import_hint(import: &str) -> &'static str {
    if import.starts_with("wasi:") {
        "\nhint: that is WASI; build for `wasm32-unknown-unknown`, or stub WASI out (`--stub-wasi` of componentize-qjs and componentize-py)"
    } else {
        ""
    }
}

/// Larger ones take Cranelift minutes. JavaScript's are 2 to 12 MB, Python's 18.
pub const MAX_COMPONENT_BYTES: usize = 20 << 20;
/// The version of `policies/wit/policy.wit`.
pub(crate) const CONTRACT_VERSION: &str = "0.1.0";
pub(crate) const MAX_REASON_BYTES: usize = 500;
const ALLOWED_IMPORTS: &str = "stateward:policy/";
const BUILTIN: &str = "builtin:";
const BUILD_HINT: &str = "give the `.wasm` file of a component that exports `stateward:policy/rules`";
const WRAP_HINT: &str = "wrap it: `wasm-tools component new policy.wasm -o policy.component.wasm`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_not_a_component() {
        for (bytes, what) in [
            (&b""[..], "an empty file"),
            (b"\0asm\x01\0\0\0", "a core module"),
            (b"\0asm\x02\0\0\0", "a version of WebAssembly"),
            (b"(component)", "text form"),
            (b"\x7fELF\x02", "a native program"),
            (b"#!/bin/sh", "something else"),
        ] {
            let error = check_header(bytes).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("\nhint: "), "{error}");
        }
        assert!(check_header(b"\0asm\x0d\0\x01\0").is_ok());
    }
}
