//! `completions`: a script for the shell, from the same source as the help.

use common::exit::Exit;

use super::Context;
use crate::TOOL;
use crate::cli::CompletionsArgs;
use crate::complete::VARIABLE;

pub(super) fn run(args: &CompletionsArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let shells = clap_complete::env::Shells::builtins();
    let mut script = Vec::new();
    if let Some(shell) = shells.completer(&args.shell.to_string()) {
        shell
            .write_registration(VARIABLE, TOOL, TOOL, TOOL, &mut script)
            .map_err(common::Error::Output)?;
    }
    context.out.bytes(&script)?;
    Ok(Exit::Done)
}
