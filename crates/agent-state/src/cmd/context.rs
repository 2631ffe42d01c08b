//! What every verb needs: the database, the output, and what the environment says.

use std::cell::{Cell, OnceCell, RefCell};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use common::clock::Timestamp;
use common::environment;
use common::fleet::Database;
use common::fleet::agents::Agent;
use common::fleet::liveness::Here;
use common::fleet::runs::RunId;
use common::fleet::{self, AGENT_VARIABLE, DatabaseArgs};
use common::out::Out;
use common::sql::Connection;
use serde::Serialize;

use crate::cli::Cli;
use crate::error::Error;
use crate::store::{self, Stop};

/// How long a busy database is waited for when something has happened and must be recorded.
const PATIENCE: Duration = Duration::from_secs(60);

/// The surroundings of one command.
pub(crate) struct Ctx {
    pub(crate) out: Out,
    pub(crate) json: bool,
    pub(crate) database: DatabaseArgs,
    /// The run of an outer `exec`, which the environment names.
    pub(crate) outer_run: Option<RunId>,
    /// Whether that run was asked for by name, and not inherited: then it must be there.
    pub(crate) is_run_named: bool,
    /// The agent that the environment names.
    pub(crate) outer_agent: Option<String>,
    /// What standard input is.
    pub(crate) input: Input,
    /// Whether somebody still waits for the answer; always, for a command line.
    pub(crate) is_wanted: Box<dyn Fn() -> bool>,
    /// How long a database may keep this command waiting: as the command line says, or less for what has no time.
    busy_timeout: Cell<Duration>,
    here: OnceCell<Here>,
    /// The connection that writes, kept for the next write: opening costs more than writing.
    writer: RefCell<Option<Database>>,
    /// The connection that reads, kept where many requests are answered and none has written yet.
    reader: RefCell<Option<Database>>,
    keeping: Keeping,
    /// Whether the database was opened for writing.
    is_writing: Cell<bool>,
}

/// Whether connections are kept from one command to the next.
enum Keeping {
    /// There is one command.
    No,
    /// As long as they are on this file, by device and number; `None` before there is one.
    On(Cell<Option<(u64, u64)>>),
}

/// Where a command that reads its standard input finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// The process's own.
    Stdin,
    /// In a request.
    Given(Vec<u8>),
    /// Nowhere: `-` is a text like any other.
    Nothing,
}

impl Ctx {
    pub(crate) fn new(cli: &Cli, out: Out) -> Self {
        Self {
            json: cli.output.json,
            outer_run: fleet::outer_run(),
            outer_agent: environment::text(AGENT_VARIABLE),
            input: Input::Stdin,
            keeping: Keeping::No,
            ..Self::answering(cli.database.clone(), out)
        }
    }

    /// The surroundings of one request after the other: nothing comes from the environment, the answers are
    /// JSON, and connections are kept for as long as the file stays the same.
    pub(crate) fn answering(database: DatabaseArgs, out: Out) -> Self {
        Self {
            out,
            json: true,
            busy_timeout: Cell::new(database.busy_timeout),
            database,
            outer_run: None,
            is_run_named: false,
            outer_agent: None,
            input: Input::Nothing,
            is_wanted: Box::new(|| true),
            here: OnceCell::new(),
            writer: RefCell::new(None),
            reader: RefCell::new(None),
            keeping: Keeping::On(Cell::new(None)),
            is_writing: Cell::new(false),
        }
    }

    /// Looks, before a command, whether the kept connections still lead to the file of that name.
    ///
    /// A server that lives for days must not hold on to a database that was replaced by its backup.
    pub(crate) fn look_at_connections(&self) {
        let Keeping::On(known) = &self.keeping else { return };
        let Ok(place) = self.database.place() else { return };
        // A server's address leads to the server of that name, whatever became of the one before.
        let Some(file) = place.file() else { return };
        let place = fs::metadata(file).ok().map(|found| (found.dev(), found.ino()));
        if place.is_none() || place != known.get() {
            self.drop_connections();
            known.set(place);
        }
    }

    /// Closes the kept connections.
    pub(crate) fn drop_connections(&self) {
        self.writer.replace(None);
        self.reader.replace(None);
    }

    /// Standard input.
    pub(crate) fn stdin(&self) -> Box<dyn io::Read + '_> {
        match &self.input {
            Input::Stdin => Box::new(io::stdin().lock()),
            Input::Given(bytes) => Box::new(bytes.as_slice()),
            Input::Nothing => Box::new(io::empty()),
        }
    }

    /// Whether an argument means standard input.
    pub(crate) fn is_stdin(&self, argument: &str) -> bool {
        argument == "-" && self.input != Input::Nothing
    }

    /// This machine as it runs now; asked for only by those who judge processes.
    pub(crate) fn here(&self) -> &Here {
        self.here.get_or_init(Here::now)
    }

    /// Whether a path leads to a file of the database.
    pub(crate) fn is_of_database(&self, path: &Path) -> bool {
        let place = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
        let (Some(place_of_path), Ok(database)) = (place(path), self.database.place()) else {
            return false;
        };
        let Some(file) = database.file() else { return false };
        ["", "-wal", "-shm", "-journal"].iter().any(|suffix| {
            let mut name = file.as_os_str().to_owned();
            name.push(suffix);
            place(Path::new(&name)) == Some(place_of_path)
        })
    }

    /// Does `work` with less time to wait for the database than the command has.
    pub(crate) fn within<T>(&self, time: Duration, work: impl FnOnce() -> T) -> T {
        let usual = self.busy_timeout.replace(time.min(self.database.busy_timeout));
        let done = work();
        self.busy_timeout.set(usual);
        done
    }

    /// Opens the database for writing.
    pub(crate) fn open(&self) -> anyhow::Result<Database> {
        self.is_writing.set(true);
        Ok(self.database.open()?)
    }

    /// Whether the command writes, as far as it has come.
    pub(crate) fn is_writing(&self) -> bool {
        self.is_writing.get()
    }

    /// Checks and writes in one transaction.
    pub(crate) fn write<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Connection, Timestamp) -> Result<T, Stop>,
    ) -> anyhow::Result<T> {
        self.with_writer(self.busy_timeout.get(), |database| store::write(database, doing, change))
    }

    /// As [`Ctx::write`], without waiting for the disk: for what is news and no promise.
    pub(crate) fn note<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Connection, Timestamp) -> Result<T, Stop>,
    ) -> anyhow::Result<T> {
        self.with_writer(self.busy_timeout.get(), |database| store::note(database, doing, change))
    }

    /// As [`Ctx::write`], for what has happened already: it is lost unless it is written, so a busy
    /// database is waited for as long as a machine under heavy load may need.
    pub(crate) fn record<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Connection, Timestamp) -> Result<T, Stop>,
    ) -> anyhow::Result<T> {
        self.with_writer(self.database.busy_timeout.max(PATIENCE), |database| {
            store::write(database, doing, change)
        })
    }

    /// Lends the connection that writes to what takes several transactions.
    pub(crate) fn with_database<T>(
        &self,
        work: impl FnOnce(&mut Database) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.with_writer(self.busy_timeout.get(), work)
    }

    /// Hands out the connection that writes. One that failed is not used again.
    fn with_writer<T>(
        &self,
        busy_timeout: Duration,
        work: impl FnOnce(&mut Database) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.is_writing.set(true);
        let mut database = match self.writer.take() {
            Some(database) => database,
            None => DatabaseArgs { busy_timeout, ..self.database.clone() }.open()?,
        };
        database.wait_up_to(busy_timeout);
        let result = work(&mut database);
        let is_usable = result.as_ref().err().is_none_or(anyhow::Error::is::<Error>);
        if is_usable {
            self.writer.replace(Some(database));
            // One connection is enough for a client that stays.
            self.reader.replace(None);
        }
        result
    }

    /// Reads without writing anything.
    pub(crate) fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection, Timestamp) -> Result<T, Stop>,
    ) -> anyhow::Result<T> {
        let busy_timeout = self.busy_timeout.get();
        let open = || DatabaseArgs { busy_timeout, ..self.database.clone() }.open_read_only();
        // A file is opened faster than it is known to be still the same; a server is not.
        if matches!(self.keeping, Keeping::No) && !self.database.names_server() {
            return store::read(&open()?, doing, query);
        }
        let kept = self.writer.take();
        let place = if kept.is_some() { &self.writer } else { &self.reader };
        let database = match kept.or_else(|| self.reader.take()) {
            Some(database) => database,
            None => open()?,
        };
        database.wait_up_to(busy_timeout);
        let result = store::read(&database, doing, query);
        if result.as_ref().err().is_none_or(anyhow::Error::is::<Error>) {
            place.replace(Some(database));
        }
        result
    }

    /// The run of the environment, when it is a run of this agent. One that is gone is as good as none, unless a
    /// request names it.
    pub(crate) fn run_of(
        &self,
        connection: &Connection,
        agent: &Agent,
    ) -> Result<Option<RunId>, Stop> {
        if let Some(named) = self.outer_run.as_ref().filter(|_| self.is_run_named) {
            store::run(connection, named.as_str())?;
        }
        Ok(store::outer_run_of(connection, self.outer_run.as_ref(), agent)?)
    }

    /// Prints `value` as JSON, or `text` for people.
    pub(crate) fn show(
        &mut self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            self.out.json(value)?;
        } else {
            self.out.line(text())?;
        }
        Ok(())
    }

    /// A moment for people: relative on a terminal, exact elsewhere.
    pub(crate) fn moment(&self, at: Timestamp, now: Timestamp) -> String {
        if self.out.is_terminal() { at.relative(now) } else { at.to_string() }
    }
}
