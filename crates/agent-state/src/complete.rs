//! Completions of names that live in the database. Whatever goes wrong, nothing is offered.

use std::ffi::OsStr;
use std::time::Duration;

use clap::CommandFactory as _;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use common::environment;
use common::fleet::DatabaseArgs;
use rusqlite::Connection;

use crate::cli::Cli;
use crate::store::{names, tasks};

/// The variable by which the shell's script asks for completions; a name that nobody else sets.
pub(crate) const VARIABLE: &str = "_AGENT_STATE_COMPLETE";

/// Answers the shell's script, if it is the one that asks. Returns whether it was.
pub(crate) fn answer() -> bool {
    // The database is looked at only for the few who ask, so that every other command starts faster.
    environment::os(VARIABLE).is_some()
        && clap_complete::CompleteEnv::with_factory(Cli::command)
            .var(VARIABLE)
            .try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref())
            .unwrap_or(false)
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
    names: impl FnOnce(&Connection) -> rusqlite::Result<Vec<String>>,
) -> Vec<CompletionCandidate> {
    let db = environment::os("AGENT_STATE_DB").map(Into::into);
    let database = DatabaseArgs { db, busy_timeout: Duration::from_millis(200) };
    // A completion must not create a database.
    if !database.path().is_ok_and(|path| path.exists()) {
        return Vec::new();
    }
    let typed = typed.to_string_lossy();
    let found =
        database.open_read_only().and_then(|database| database.read("read names in", names));
    found
        .unwrap_or_default()
        .into_iter()
        .filter(|name| name.starts_with(typed.as_ref()))
        .map(CompletionCandidate::new)
        .collect()
}
