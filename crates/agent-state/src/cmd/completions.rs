//! `completions`: the script that a shell sources.

use common::complete;
use common::exit::Exit;

use super::context::Ctx;
use crate::TOOL;
use crate::cli::upkeep::Completions;
use crate::complete::VARIABLE;

pub(crate) fn run(args: &Completions, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    ctx.out.bytes(&complete::script(VARIABLE, TOOL, args.shell)?)?;
    Ok(Exit::Done)
}
