//! See `stateward_tests::fuzz::patch`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stateward_tests::fuzz::patch(data));
