//! Hands the inputs of libFuzzer to the target `hpack`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::hpack::run(data));
