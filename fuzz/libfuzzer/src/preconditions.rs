//! Hands the inputs of libFuzzer to the target `preconditions`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::preconditions::run(data));
