//! Drives the real binary in a sandbox, as a user or a crontab does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

#[path = "cli/budget.rs"]
mod budget;
#[path = "cli/choice.rs"]
mod choice;
#[path = "cli/exec.rs"]
mod exec;
#[path = "cli/faults.rs"]
mod faults;
#[path = "cli/forms.rs"]
mod forms;
#[path = "cli/listed.rs"]
mod listed;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/patch.rs"]
mod patch;
#[path = "cli/paths.rs"]
mod paths;
#[path = "cli/property.rs"]
mod property;
#[path = "cli/repository.rs"]
mod repository;
#[path = "cli/sandbox.rs"]
mod sandbox;
