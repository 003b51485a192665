//! See `stateward_tests::fuzz::yaml`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stateward_tests::fuzz::yaml(data));
