//! `completions`: the script that a shell sources.

use common::exit::Exit;

use super::context::Ctx;
use crate::TOOL;
use crate::cli::upkeep::Completions;
use crate::complete::VARIABLE;

pub(crate) fn run(args: &Completions, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let shells = clap_complete::env::Shells::builtins();
    let mut script = Vec::new();
    if let Some(shell) = shells.completer(args.shell.as_str()) {
        shell
            .write_registration(VARIABLE, TOOL, TOOL, TOOL, &mut script)
            .map_err(common::Error::Output)?;
    }
    ctx.out.bytes(&script)?;
    Ok(Exit::Done)
}
