//! The real binary in a sandbox: a home of its own, a clean environment, nothing but loopback.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::format_push_string,
    clippy::format_collect,
    clippy::too_many_lines,
    reason = "helpers of tests may fail the test, write fixture files, and tell a story of some length"
)]

#[path = "cli/boot.rs"]
mod boot;
#[path = "cli/canary.rs"]
mod canary;
#[path = "cli/crash.rs"]
mod crash;
#[path = "cli/daemon.rs"]
mod daemon;
#[path = "cli/deeds.rs"]
mod deeds;
#[path = "cli/exec.rs"]
mod exec;
#[path = "cli/faults.rs"]
mod faults;
#[path = "cli/grants.rs"]
mod grants;
#[path = "cli/helpers.rs"]
mod helpers;
#[path = "cli/import.rs"]
mod import;
#[path = "cli/life.rs"]
mod life;
#[path = "cli/sandbox.rs"]
mod sandbox;
#[path = "cli/trail.rs"]
mod trail;
#[path = "cli/vault.rs"]
mod vault;
