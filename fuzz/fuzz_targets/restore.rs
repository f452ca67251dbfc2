#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| made_up::restore::run(data));
