#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| made_up::s3::run(data));
