//! See `stateward_tests::fuzz::decode`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stateward_tests::fuzz::decode(data));
