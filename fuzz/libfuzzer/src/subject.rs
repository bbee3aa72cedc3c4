//! Hands the inputs of libFuzzer to the target `subject`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::subject::run(data));
