//! Drives the real binary, each test in a home of its own.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its sandbox has nothing better to do"
)]

mod cli {
    mod actions;
    mod agents;
    mod clients;
    mod coord;
    mod crowd;
    mod exec;
    mod faults;
    mod files;
    mod help;
    mod languages;
    mod locks;
    #[cfg(feature = "postgres")]
    mod postgres;
    mod refusals;
    mod results;
    mod rpc;
    mod runs;
    mod sandbox;
    mod serve;
    mod server;
    mod state;
    mod tasks;
    mod tasks_exec;
    mod tasks_seen;
    mod upkeep;
}
