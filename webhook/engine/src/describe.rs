//! A component's first instance, which says what the component is.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use stateward_core::evaluate::{EvaluateError, Limits};
use wasmtime::component::Component;

use crate::bindings::PolicyPre;
use crate::engine::Engine;
use crate::guest::{ANSWER_BYTES, Bounds, Code, Guest};
use crate::host::Declared;
use crate::load::{CONTRACT_VERSION, LoadError, MAX_REASON_BYTES};
use crate::permits::Permits;
use crate::settings::SettingsSchema;
use crate::{convert, text};

/// Links the component, reserves its slots, instantiates it once and asks it to describe itself.
pub(crate) async fn describe(engine: &Arc<Engine>, compiled: &Component, permits: usize) -> Result<Guest, LoadError> {
    check_exports(compiled)?;
    let misfit =
        |error: wasmtime::Error| LoadError::Contract { reason: text::clean(&format!("{error:#}"), MAX_REASON_BYTES) };
    let pre = engine.linker.instantiate_pre(compiled).and_then(PolicyPre::new).map_err(misfit)?;
    let needs = compiled
        .resources_required()
        .ok_or_else(|| LoadError::Contract { reason: "it takes modules as arguments".to_owned() })?;
    let share =
        engine.room.reserve(u32::try_from(permits).unwrap_or(u32::MAX), &needs).ok_or(LoadError::NoRoom { permits })?;
    let code = Code {
        pre,
        ticker: Arc::clone(&engine.ticker),
        lane: Arc::clone(&engine.lane),
        permits: Permits::new(permits, engine.options.queue),
        _share: share,
    };
    let bounds = Bounds {
        policy: "describe".to_owned(),
        limits: LIMITS,
        deadline: Instant::now() + DEADLINE,
        answer_limit: ANSWER_BYTES,
    };
    let declared = Arc::new(Declared::default());
    let described = code
        .run(bounds, None, &declared, async |store, guest| guest.stateward_policy_rules().call_describe(store).await)
        .await;
    let manifest = convert::manifest(described.answer.map_err(explain)?);
    let reasons = stateward_core::manifest::check(&manifest).err().unwrap_or_default();
    if !reasons.is_empty() {
        return Err(LoadError::Manifest { reasons });
    }
    let schema =
        SettingsSchema::new(&manifest.settings_schema).map_err(|reason| LoadError::SettingsSchema { reason })?;
    let declared = Arc::new(Declared::new(&manifest));
    Ok(Guest { code, manifest: Arc::new(manifest), declared, schema, evaluations: AtomicU64::new(0) })
}

/// Instantiation is where types are compared ("expected record of 12 fields, found 11"): that is about the contract, not about an answer.
fn explain(error: EvaluateError) -> LoadError {
    match error {
        EvaluateError::BadAnswer { reason } if reason.contains("expected") => LoadError::Contract { reason },
        error => LoadError::Describe(error),
    }
}

/// The exported interface carries its version, so that the version it speaks can be named.
fn check_exports(compiled: &Component) -> Result<(), LoadError> {
    let wanted = format!("{RULES}@{CONTRACT_VERSION}");
    if compiled.get_export_index(None, &wanted).is_some() {
        return Ok(());
    }
    let engine = compiled.engine();
    let exported = compiled
        .component_type()
        .exports(engine)
        .find(|(name, _)| name.starts_with(RULES))
        .map(|(name, _)| name.to_owned());
    let reason = match exported {
        Some(other) => format!("it exports `{}`", text::clean(&other, MAX_REASON_BYTES)),
        None => format!("it does not export `{wanted}`"),
    };
    Err(LoadError::Contract { reason })
}

const RULES: &str = "stateward:policy/rules";
/// Once per load. 80 rules take 70 us in Rust; Python needs 0.7 s to come up on a slow machine.
const LIMITS: Limits = Limits { timeout: Duration::from_secs(2), memory: 64 << 20 };
const DEADLINE: Duration = Duration::from_secs(10);
