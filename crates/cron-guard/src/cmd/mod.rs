//! One file a verb; what is here is shared by them: the context, and the one match.

mod alert;
mod check;
mod completions;
mod crontab;
mod doctor;
mod exec;
mod history;
mod hold;
mod job;
mod report;
mod resume;
mod status;
mod sweep;
mod unrecorded;

use std::path::{Path, PathBuf};

use common::Exit;
use common::fleet::Database;
use common::fleet::DatabaseArgs;
use common::out::Out;

use crate::alert::aside::Messenger;
use crate::cli::{Cli, Verb};
use crate::guard::Guard;
use crate::settings::{Settings, Turn};

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

    /// The settings for a command that changes them; nobody else does meanwhile.
    pub(crate) fn settings_to_change(&self) -> anyhow::Result<(Settings, Turn)> {
        Settings::load_to_change(self.cli.config.as_deref())
    }

    /// The same for a command that creates the file where there is none.
    pub(crate) fn settings_to_add(&self) -> anyhow::Result<(Settings, Turn)> {
        Settings::load_to_add(self.cli.config.as_deref())
    }

    /// The settings as a command that creates them would find them.
    pub(crate) fn settings_or_new(&self) -> anyhow::Result<Settings> {
        Settings::load_or_new(self.cli.config.as_deref())
    }

    /// The guard over the journal, for reading and writing.
    pub(crate) fn guard<'s>(&self, settings: &'s Settings) -> Result<Guard<'s>, common::Error> {
        let messenger =
            Messenger { db: self.cli.database.db.clone(), config: self.cli.config.clone() };
        Ok(Guard::new(self.cli.database.open()?, settings, self.named_db(), messenger))
    }

    /// Which journal it is.
    pub(crate) fn database(&self) -> &DatabaseArgs {
        &self.cli.database
    }

    /// The journal, for reading only.
    pub(crate) fn read_only(&self) -> Result<Database, common::Error> {
        self.cli.database.open_read_only()
    }

    /// Whether the journal or the settings stand elsewhere than where cron would look.
    pub(crate) fn has_named_places(&self) -> bool {
        let is_given =
            |path: &Option<PathBuf>| path.as_ref().is_some_and(|p| !p.as_os_str().is_empty());
        is_given(&self.cli.database.db) || is_given(&self.cli.config)
    }

    /// The database that was named, when one was, as others may see it.
    pub(crate) fn named_db(&self) -> Option<PathBuf> {
        self.cli.database.named()
    }
}

/// Whether a file that is to be written is stdout.
fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Runs what the command line asks for.
pub(crate) fn run(cli: &Cli) -> anyhow::Result<Exit> {
    // Nothing here goes on for ever, and a verdict is one whether or not somebody reads its reasons.
    let out = Out::stdout(cli.output.color).outliving_its_reader();
    let mut ctx = Ctx { out, json: cli.output.json, cli };
    let exit = match &cli.verb {
        None => sweep::run(&cli.sweep, &mut ctx),
        Some(Verb::Check(args)) => check::run(args, &mut ctx),
        Some(Verb::Exec(args)) => exec::run(args, &mut ctx),
        Some(Verb::Status(args)) => status::run(args, &mut ctx),
        Some(Verb::History(args)) => history::run(args, &mut ctx),
        Some(Verb::Report(args)) => report::run(args, &mut ctx),
        Some(Verb::Hold(args)) => hold::hold(args, &mut ctx),
        Some(Verb::Release(args)) => hold::release(args, &mut ctx),
        Some(Verb::Resume(args)) => resume::run(args, &mut ctx),
        Some(Verb::Ack(args)) => hold::ack(args, &mut ctx),
        Some(Verb::Job(verb)) => job::run(verb, &mut ctx),
        Some(Verb::Crontab(args)) => crontab::run(args, &mut ctx),
        Some(Verb::Alert(verb)) => alert::run(verb, &mut ctx),
        Some(Verb::Doctor(args)) => doctor::run(args, &mut ctx),
        Some(Verb::Completions(args)) => completions::run(args, &mut ctx),
    }?;
    ctx.out.flush()?;
    Ok(exit)
}
