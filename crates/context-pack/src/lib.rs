//! Packs a repository into one token-budgeted document of what matters.
//!
//! The way of a pack: [`cmd`] reads the command line into a [`request`]; [`walk`] lists the files
//! of the tree and leaves out what nobody needs; [`value`] says how much each is worth; [`text`]
//! reads the candidates; [`select`] decides at which depth each appears; [`render`] writes the
//! document, and [`fit`] counts the whole of it and cuts until the budget holds.
//!
//! Nothing here asks the network, keeps an index, or reads the wall clock.

mod cli;
mod cmd;
mod content;
mod error;
mod excerpt;
mod explain;
mod extras;
mod fit;
mod focus;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod git;
mod identity;
mod kind;
mod lines;
mod look;
mod named;
mod outline;
mod pack;
mod parts;
mod patch;
mod piece;
mod prepare;
mod rank;
mod recent;
mod redact;
mod render;
mod request;
mod select;
mod settings;
mod summary;
mod text;
mod threads;
mod tokens;
mod tree;
mod value;
mod walk;
#[cfg(test)]
mod written;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

pub(crate) use error::Error;

/// The name under which this tool reports.
pub(crate) const TOOL: &str = "context-pack";

/// The whole program.
pub fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return common::report::usage(error),
    };
    common::report::main::<Error>(TOOL, cli.output.json, || cmd::run(&cli))
}

/// The command line as data: man pages are made of it.
#[must_use]
pub fn command() -> clap::Command {
    cli::Cli::command()
}
