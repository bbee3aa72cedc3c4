//! Hands the inputs of libFuzzer to the target `route`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::route::run(data));
