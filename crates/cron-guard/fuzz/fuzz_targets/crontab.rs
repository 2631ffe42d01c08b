#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| cron_guard::fuzzing::crontab(text));
