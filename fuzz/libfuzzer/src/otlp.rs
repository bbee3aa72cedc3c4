//! Hands the inputs of libFuzzer to the target `otlp`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::otlp::run(data));
