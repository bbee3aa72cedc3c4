//! Hands the inputs of libFuzzer to the target `chunked`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::chunked::run(data));
