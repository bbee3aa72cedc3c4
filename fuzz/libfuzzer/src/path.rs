//! Hands the inputs of libFuzzer to the target `path`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::path::run(data));
