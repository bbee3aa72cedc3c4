//! Hands the inputs of libFuzzer to the target `state`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::state::run(data));
