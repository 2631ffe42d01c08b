//! `completions`: the script that a shell sources; it asks this program for the names of jobs.

use common::Exit;

use super::Ctx;
use crate::cli::CompletionsArgs;
use crate::complete::VARIABLE;

/// The name of the tool.
const TOOL: &str = "cron-guard";

pub(crate) fn run(args: &CompletionsArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    if let Some(shell) = clap_complete::env::Shells::builtins().completer(&args.shell.to_string()) {
        shell
            .write_registration(VARIABLE, TOOL, TOOL, TOOL, &mut script)
            .map_err(common::Error::Output)?;
    }
    ctx.out.bytes(&script)?;
    Ok(Exit::Done)
}
