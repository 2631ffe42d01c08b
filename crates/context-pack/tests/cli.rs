//! Drives the real binary in a sandbox, as a user or a crontab does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "cli/budget.rs"]
mod budget;
#[path = "cli/exec.rs"]
mod exec;
#[path = "cli/sandbox.rs"]
mod sandbox;
