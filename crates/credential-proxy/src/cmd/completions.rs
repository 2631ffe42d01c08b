//! `completions`: a script for the shell, from the same source as the help.

use common::complete;
use common::exit::Exit;

use super::Context;
use crate::TOOL;
use crate::cli::CompletionsArgs;
use crate::complete::VARIABLE;

pub(super) fn run(args: &CompletionsArgs, context: &mut Context) -> anyhow::Result<Exit> {
    context.out.bytes(&complete::script(VARIABLE, TOOL, args.shell)?)?;
    Ok(Exit::Done)
}
