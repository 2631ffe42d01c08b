#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| context_pack::fuzzing::index(bytes));
