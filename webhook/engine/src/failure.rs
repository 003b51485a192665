//! What broke, in words for users: wasmtime's errors become [`EvaluateError`]s.

use stateward_core::evaluate::{EvaluateError, Limits};
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::text;

/// Why the host ended a call. Travels through wasmtime as the error's root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the guest's time was used up")]
    TimedOut,
    #[error("the guest's memory was used up")]
    OutOfMemory,
    #[error("no rule declares {kind}")]
    UndeclaredLookup { kind: String },
    #[error("made more than {limit} look-ups")]
    TooManyLookups { limit: u32 },
}

/// Translates the error that ended a call.
pub(crate) fn evaluate_error(error: &wasmtime::Error, limits: Limits, answer_limit: usize) -> EvaluateError {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::TimedOut => timed_out(limits),
            Stop::OutOfMemory => EvaluateError::OutOfMemory { limit_bytes: limits.memory },
            Stop::UndeclaredLookup { kind } => EvaluateError::UndeclaredLookup { kind: kind.clone() },
            Stop::TooManyLookups { .. } => EvaluateError::BadAnswer { reason: stop.to_string() },
        };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => return timed_out(limits),
        Some(trap) => {
            let words = trap.to_string();
            let reason = words.strip_prefix("wasm trap: ").unwrap_or(&words).to_owned();
            return EvaluateError::Trapped { reason };
        }
        None => {}
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return EvaluateError::Overloaded { waiting: 0 };
    }
    let cause = error.root_cause().to_string();
    if cause.contains(HOSTCALL_FUEL_WORDS) {
        return EvaluateError::AnswerTooLarge { limit_bytes: u64::try_from(answer_limit).unwrap_or(u64::MAX) };
    }
    // What is left are values that cannot be lifted: text that is not UTF-8, a case that does not exist, a pointer out of bounds.
    EvaluateError::BadAnswer { reason: text::clean(&cause, MAX_CAUSE_BYTES) }
}

fn timed_out(limits: Limits) -> EvaluateError {
    EvaluateError::TimedOut { limit_ms: u64::try_from(limits.timeout.as_millis()).unwrap_or(u64::MAX) }
}

/// wasmtime keeps the type private; the guest `huge_answer` notices when these words change.
const HOSTCALL_FUEL_WORDS: &str = "fuel allocated for hostcalls has been exhausted";
const MAX_CAUSE_BYTES: usize = 200;
