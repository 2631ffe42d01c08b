//! From the command line to a verb, each in a file of its own.

mod completions;
mod count;
mod delivery;
mod exec;
mod handed;
mod init;
mod pack;
mod request;

use common::Exit;

use crate::cli::{Cli, Verb};

/// Runs what the command line asks for.
pub(crate) fn run(cli: &Cli) -> anyhow::Result<Exit> {
    match &cli.verb {
        None => pack::run(&cli.pack, &cli.view, &cli.output),
        Some(Verb::Exec(args)) => exec::run(args, &cli.output),
        Some(Verb::Count(args)) => count::run(args, &cli.output),
        Some(Verb::Init) => init::run(),
        Some(Verb::Completions { shell }) => completions::run(*shell),
    }
}
