#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| natterjack_fuzz::direct(bytes));
