//! Hands the inputs of libFuzzer to the target `authorization`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::authorization::run(data));
