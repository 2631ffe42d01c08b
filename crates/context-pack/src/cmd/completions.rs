//! `context-pack completions SHELL`: prints the completion script.

use clap::CommandFactory as _;
use common::Exit;
use common::out::{Color, Out};

use crate::TOOL;
use crate::cli::Cli;

pub(super) fn run(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), TOOL, &mut script);
    Out::must_be_there()?;
    let mut out = Out::stdout(Color::Never);
    out.bytes(&script)?;
    out.flush()?;
    Ok(Exit::Done)
}
