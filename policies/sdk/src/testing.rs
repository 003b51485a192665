//! Runs rules natively.
