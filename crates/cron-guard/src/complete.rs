//! Completions of job names: those that are declared and those that the journal has. Whatever goes wrong,
//! nothing is offered.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::engine::ArgValueCompleter;
use common::{complete, environment};

use crate::cli::Cli;
use crate::settings::Settings;
use crate::store::journal;

/// The variable by which the shell's script asks for completions; a name that nobody else sets.
pub(crate) const VARIABLE: &str = "_CRON_GUARD_COMPLETE";

/// Answers the shell's script, if it is the one that asks. Returns whether it was.
pub(crate) fn answer() -> bool {
    complete::answer(VARIABLE, Cli::command)
}

/// Completes jobs.
pub(crate) fn jobs() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| complete::offer(typed, known()))
}

fn known() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let config = environment::os("CRON_GUARD_CONFIG").map(PathBuf::from);
    if let Ok(settings) = Settings::load(config.as_deref()) {
        names.extend(settings.declared().map(ToOwned::to_owned));
    }
    if let Some(fleet) = complete::fleet()
        && let Ok(newest) = fleet.read("read names in", journal::newest_runs)
    {
        names.extend(newest.into_keys());
    }
    names
}
