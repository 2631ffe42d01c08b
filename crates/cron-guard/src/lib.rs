//! A circuit breaker for cron jobs: three failures in a row and the job is paused, with one alert.
//!
//! `machine` is the breaker, pure. `store` is the only SQL. `guard` looks at a job's runs, moves its
//! breaker and decides. `cmd` has one file a verb, and is the only part that prints.

mod actor;
mod alert;
mod awake;
mod budget;
mod cli;
mod cmd;
mod complete;
mod crontab;
mod error;
mod exposed;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guard;
mod handoff;
mod jitter;
mod late;
mod machine;
mod outage;
mod schedule;
mod settings;
mod signature;
mod store;
mod tail;
mod view;
mod zone;

use std::process::ExitCode;

use clap::CommandFactory as _;

/// The name of the tool, as its messages begin with it.
const TOOL: &str = "cron-guard";

/// The whole program.
pub fn main() -> ExitCode {
    if complete::answer() {
        return ExitCode::SUCCESS;
    }
    let cli = match cli::Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return common::report::usage(error),
    };
    common::report::main::<error::Error>(TOOL, cli.output.json, || cmd::run(&cli))
}

/// The command line as data: man pages are made of it.
#[must_use]
pub fn command() -> clap::Command {
    cli::Cli::command()
}
