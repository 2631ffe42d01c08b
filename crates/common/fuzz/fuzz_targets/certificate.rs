#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| common::postgres::fuzzing::certificate(bytes));
