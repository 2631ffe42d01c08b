//! Completions of job names: those that are declared and those that the journal has. Whatever goes wrong,
//! nothing is offered.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory as _;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use common::environment;
use common::fleet::DatabaseArgs;

use crate::cli::Cli;
use crate::settings::Settings;
use crate::store::journal;

/// The variable by which the shell's script asks for completions; a name that nobody else sets.
pub(crate) const VARIABLE: &str = "_CRON_GUARD_COMPLETE";

/// Answers the shell's script, if it is the one that asks. Returns whether it was.
pub(crate) fn answer() -> bool {
    environment::os(VARIABLE).is_some()
        && clap_complete::CompleteEnv::with_factory(Cli::command)
            .var(VARIABLE)
            .try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref())
            .unwrap_or(false)
}

/// Completes jobs.
pub(crate) fn jobs() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let typed = typed.to_string_lossy();
        known()
            .into_iter()
            .filter(|name| name.starts_with(typed.as_ref()))
            .map(CompletionCandidate::new)
            .collect()
    })
}

fn known() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let config = environment::os("CRON_GUARD_CONFIG").map(PathBuf::from);
    if let Ok(settings) = Settings::load(config.as_deref()) {
        names.extend(settings.declared().map(ToOwned::to_owned));
    }
    let db = environment::os("AGENT_STATE_DB").map(Into::into);
    let database = DatabaseArgs { db, busy_timeout: Duration::from_millis(200) };
    // A completion must not create a database.
    if database.path().is_ok_and(|path| path.exists())
        && let Ok(newest) = database
            .open_read_only()
            .and_then(|database| database.read("read names in", journal::newest_runs))
    {
        names.extend(newest.into_keys());
    }
    names
}
