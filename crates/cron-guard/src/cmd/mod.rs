//! One file a verb; what is here is shared by them: the context, and the one match.

mod check;
mod exec;
mod resume;
mod status;
mod sweep;
mod unrecorded;

use std::path::PathBuf;

use common::Exit;
use common::fleet::DatabaseArgs;
use common::out::Out;
use common::sqlite::Database;

use crate::cli::{Cli, Verb};
use crate::guard::Guard;
use crate::settings::Settings;

/// What a verb needs besides its own arguments.
pub(crate) struct Ctx<'a> {
    pub(crate) out: Out,
    pub(crate) json: bool,
    cli: &'a Cli,
}

impl Ctx<'_> {
    /// The settings.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        Settings::load(self.cli.config.as_deref())
    }

    /// The guard over the journal, for reading and writing.
    pub(crate) fn guard<'s>(&self, settings: &'s Settings) -> Result<Guard<'s>, common::Error> {
        Ok(Guard::new(self.cli.database.open()?, settings, self.named_db()))
    }

    /// Which journal it is.
    pub(crate) fn database(&self) -> &DatabaseArgs {
        &self.cli.database
    }

    /// The journal, for reading only.
    pub(crate) fn read_only(&self) -> Result<Database, common::Error> {
        self.cli.database.open_read_only()
    }

    /// The database that was named, when one was.
    pub(crate) fn named_db(&self) -> Option<PathBuf> {
        self.cli.database.db.clone().filter(|path| !path.as_os_str().is_empty())
    }
}

/// Runs what the command line asks for.
pub(crate) fn run(cli: &Cli) -> anyhow::Result<Exit> {
    let mut ctx = Ctx { out: Out::stdout(cli.output.color), json: cli.output.json, cli };
    let exit = match &cli.verb {
        None => sweep::run(&cli.sweep, &mut ctx),
        Some(Verb::Check(args)) => check::run(args, &mut ctx),
        Some(Verb::Exec(args)) => exec::run(args, &mut ctx),
        Some(Verb::Status(args)) => status::run(args, &mut ctx),
        Some(Verb::Resume(args)) => resume::run(args, &mut ctx),
    }?;
    ctx.out.flush()?;
    Ok(exit)
}
