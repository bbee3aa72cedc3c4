//! Hands the inputs of libFuzzer to the target `forwarded`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::forwarded::run(data));
