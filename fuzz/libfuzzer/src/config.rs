//! Hands the inputs of libFuzzer to the target `config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::config::run(data));
