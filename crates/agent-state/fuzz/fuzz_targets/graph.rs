#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| agent_state::fuzzing::graph(text));
