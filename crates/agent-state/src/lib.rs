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
mod value;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
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
        Err(error) => usage(&error),
    }
}

/// Prints help, the version, or what is wrong with the arguments: as JSON for those who asked for JSON.
fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    if error.use_stderr() && wants_json {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let object = serde_json::json!({ "error": { "code": "usage", "message": message } });
        // A closed stderr leaves the exit code to tell.
        let _ = writeln!(io::stderr(), "{object}");
    } else {
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
