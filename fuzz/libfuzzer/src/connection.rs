//! Hands the inputs of libFuzzer to the target `connection`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::connection::run(data));
