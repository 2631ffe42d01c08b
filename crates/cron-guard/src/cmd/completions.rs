//! `completions`: the script that a shell sources; it asks this program for the names of jobs.

use common::{Exit, complete};

use super::Ctx;
use crate::TOOL;
use crate::cli::CompletionsArgs;
use crate::complete::VARIABLE;

pub(crate) fn run(args: &CompletionsArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    ctx.out.bytes(&complete::script(VARIABLE, TOOL, args.shell)?)?;
    Ok(Exit::Done)
}
