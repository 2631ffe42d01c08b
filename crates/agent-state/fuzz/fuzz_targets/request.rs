#![no_main]

libfuzzer_sys::fuzz_target!(|line: &[u8]| agent_state::fuzzing::request(line));
