//! Hands the inputs of libFuzzer to the target `note`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::note::run(data));
