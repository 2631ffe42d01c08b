//! Completions of names that live in the database. Whatever goes wrong, nothing is offered.

use std::ffi::OsStr;

use clap::CommandFactory as _;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use common::complete;
use common::sql::{self, Connection};

use crate::cli::Cli;
use crate::store::{names, tasks};

/// The variable by which the shell's script asks for completions; a name that nobody else sets.
pub(crate) const VARIABLE: &str = "_AGENT_STATE_COMPLETE";

/// Answers the shell's script, if it is the one that asks. Returns whether it was.
pub(crate) fn answer() -> bool {
    complete::answer(VARIABLE, Cli::command)
}

/// Completes agents.
pub(crate) fn agents() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| offer(typed, names::agents))
}

/// Completes jobs.
pub(crate) fn jobs() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| offer(typed, names::jobs))
}

/// Completes locked resources.
pub(crate) fn resources() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| offer(typed, names::resources))
}

/// Completes tasks.
pub(crate) fn tasks() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| offer(typed, |connection| tasks::names(connection, 500)))
}

fn offer(
    typed: &OsStr,
    names: impl FnOnce(&Connection) -> sql::Result<Vec<String>>,
) -> Vec<CompletionCandidate> {
    let names = complete::fleet().and_then(|fleet| fleet.read("read names in", names).ok());
    complete::offer(typed, names.unwrap_or_default())
}
