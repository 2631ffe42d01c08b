#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| credential_proxy::fuzzing::lastpass(input));
