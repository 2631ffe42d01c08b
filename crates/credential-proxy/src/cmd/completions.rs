//! `completions`: a script for the shell, from the same source as the help.

use common::exit::Exit;

use super::Context;
use crate::cli::{self, CompletionsArgs};

pub(super) fn run(args: &CompletionsArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), crate::TOOL, &mut script);
    context.out.bytes(&script)?;
    Ok(Exit::Done)
}
