//! Hands the inputs of libFuzzer to the target `htpasswd`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::htpasswd::run(data));
