//! `completions`: a script for a shell, from the same source as the help.

use clap::CommandFactory as _;
use common::Exit;

use super::Ctx;
use crate::cli::{Cli, CompletionsArgs};

pub(crate) fn run(args: &CompletionsArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cron-guard", &mut script);
    ctx.out.bytes(&script)?;
    Ok(Exit::Done)
}
