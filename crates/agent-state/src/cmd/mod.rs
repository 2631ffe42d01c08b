//! The verbs. Only this layer sees arguments and output both.

mod action;
pub(crate) mod agent;
mod backup;
mod board;
mod capabilities;
mod completions;
mod context;
mod coord;
mod doctor;
mod events;
mod exec;
mod file;
mod import;
mod init;
mod journal;
mod keeper;
mod lock;
mod migrate;
mod once;
mod prune;
mod rpc;
mod run;
mod serve;
mod session;
mod state;
mod stats;
mod talk;
mod task;
mod wrap;

use std::io::IsTerminal as _;

use common::exit::Exit;
use common::out::Out;
use common::{place, report};

use crate::TOOL;
use crate::cli::{Cli, Noun};
use context::Ctx;

/// Runs one command.
pub(crate) fn run(cli: &Cli) -> anyhow::Result<Exit> {
    let mut ctx = Ctx::new(cli, Out::stdout(cli.output.color));
    let exit = dispatch(&cli.noun, &mut ctx)?;
    ctx.out.flush()?;
    // Whoever writes is told, and who looks at a terminal; what reads stays silent in scripts.
    if ctx.is_writing() || std::io::stderr().is_terminal() {
        warn_if_open_to_others(&ctx)?;
    }
    Ok(exit)
}

/// Warns of a database that other users can look into, and of the default folder; another folder is not ours.
fn warn_if_open_to_others(ctx: &Ctx) -> anyhow::Result<()> {
    let named = ctx.database.place()?;
    let Some(file) = named.file() else { return Ok(()) };
    let is_default = common::fleet::default_path().is_ok_and(|path| path == file);
    let folder = file.parent().filter(|_| is_default);
    for (path, private) in folder.map(|folder| (folder, "700")).into_iter().chain([(file, "600")]) {
        if let Ok(Some(mode)) = place::looser_than_private(path) {
            let path = place::for_people(path);
            report::warn(
                TOOL,
                &format!(
                    "{path} has mode {mode:o}, so other users can look in; chmod {private} {path}"
                ),
            );
        }
    }
    Ok(())
}

fn dispatch(noun: &Noun, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    match noun {
        Noun::Init => init::run(ctx),
        Noun::Agent(verb) => agent::run(&verb.0, ctx),
        Noun::Run(verb) => run::run(&verb.0, ctx),
        Noun::Exec(args) => Ok(exec::run(args, ctx)),
        Noun::State(verb) => state::run(&verb.0, ctx),
        Noun::Lock(verb) => lock::run(&verb.0, ctx),
        Noun::File(verb) => file::run(&verb.0, ctx),
        Noun::Action(verb) => action::run(&verb.0, ctx),
        Noun::Once(args) => Ok(once::run(args, ctx)),
        Noun::Coord(verb) => coord::run(&verb.0, ctx),
        Noun::Journal(verb) => journal::run(&verb.0, ctx),
        Noun::Task(verb) => task::run(&verb.0, ctx),
        Noun::Board(args) => board::run(args, ctx),
        Noun::Events(args) => events::run(args, ctx),
        Noun::Stats => stats::run(ctx),
        Noun::Serve(args) => serve::run(args, ctx),
        Noun::Rpc => rpc::run(ctx),
        Noun::Capabilities => capabilities::run(ctx),
        Noun::Completions(args) => completions::run(args, ctx),
        Noun::Doctor => doctor::run(ctx),
        Noun::Backup(args) => backup::run(args, ctx),
        Noun::Import(args) => import::run(args, ctx),
        Noun::Migrate(args) => migrate::run(args, ctx),
        Noun::Prune(args) => prune::run(args, ctx),
    }
}
