//! Hands the inputs of libFuzzer to the target `h2_frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::h2_frames::run(data));
