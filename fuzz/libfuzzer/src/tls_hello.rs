//! Hands the inputs of libFuzzer to the target `tls_hello`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::tls_hello::run(data));
