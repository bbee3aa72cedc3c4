//! Hands the inputs of libFuzzer to the target `fastcgi`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::fastcgi::run(data));
