//! The verbs. Only this layer sees arguments and output both.

mod agent;
mod context;
mod exec;
mod init;
mod keeper;
mod lock;
mod run;
mod state;
mod stats;
mod wrap;

use common::exit::Exit;
use common::out::Out;

use crate::cli::{Cli, Noun};
use context::Ctx;

/// Runs one command.
pub(crate) fn run(cli: &Cli) -> anyhow::Result<Exit> {
    let mut ctx = Ctx::new(cli, Out::stdout(cli.output.color));
    let exit = dispatch(&cli.noun, &mut ctx)?;
    ctx.out.flush()?;
    Ok(exit)
}

fn dispatch(noun: &Noun, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    match noun {
        Noun::Init => init::run(ctx),
        Noun::Agent(verb) => agent::run(verb, ctx),
        Noun::Run(verb) => run::run(verb, ctx),
        Noun::Exec(args) => Ok(exec::run(args, ctx)),
        Noun::State(verb) => state::run(verb, ctx),
        Noun::Lock(verb) => lock::run(verb, ctx),
        Noun::Stats => stats::run(ctx),
    }
}
