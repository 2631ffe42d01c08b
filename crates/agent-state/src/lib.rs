//! Identity, run journal, versioned state, locks and coordination for a fleet of agents.
//!
//! One SQLite file and no daemon: every command opens the file, does its one thing in one
//! transaction and leaves. What is promised to another agent is on disk before the command says so.

mod action;
mod cli;
mod cmd;
mod complete;
mod disk;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod lock;
mod path;
mod slot;
mod store;
mod surface;
mod task;
mod value;
mod wire;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use common::report;

use crate::cli::Cli;
use crate::error::Error;

/// The name of the tool, as its messages begin with it.
const TOOL: &str = "agent-state";

/// The whole program.
pub fn main() -> ExitCode {
    if complete::answer() {
        return ExitCode::SUCCESS;
    }
    match Cli::try_parse() {
        Ok(cli) => report::main::<Error>(TOOL, cli.output.json, || cmd::run(&cli)),
        Err(error) => report::usage(error),
    }
}

/// The command line as data: man pages are made of it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}
