//! What every verb needs: the database, the output, and what the environment says.

use std::cell::{OnceCell, RefCell};
use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::agents::Agent;
use common::fleet::liveness::Here;
use common::fleet::runs::RunId;
use common::fleet::{self, DatabaseArgs};
use common::out::Out;
use common::sqlite::Database;
use rusqlite::Connection;
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
    here: OnceCell<Here>,
    /// The connection that writes, kept for the next write: opening costs more than writing.
    writer: RefCell<Option<Database>>,
}

impl Ctx {
    pub(crate) fn new(cli: &Cli, out: Out) -> Self {
        Self {
            out,
            json: cli.output.json,
            database: cli.database.clone(),
            outer_run: fleet::outer_run(),
            here: OnceCell::new(),
            writer: RefCell::new(None),
        }
    }

    /// This machine as it runs now; asked for only by those who judge processes.
    pub(crate) fn here(&self) -> &Here {
        self.here.get_or_init(Here::now)
    }

    /// Opens the database for writing.
    pub(crate) fn open(&self) -> anyhow::Result<Database> {
        Ok(self.database.open()?)
    }

    /// Checks and writes in one transaction.
    pub(crate) fn write<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Connection, Timestamp) -> Result<T, Stop>,
    ) -> anyhow::Result<T> {
        self.with_writer(self.database.busy_timeout, |database| {
            store::write(database, doing, change)
        })
    }

    /// As [`Ctx::write`], without waiting for the disk: for what is news and no promise.
    pub(crate) fn note<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Connection, Timestamp) -> Result<T, Stop>,
    ) -> anyhow::Result<T> {
        self.with_writer(self.database.busy_timeout, |database| {
            store::note(database, doing, change)
        })
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

    /// Hands out the connection that writes. One that failed is not used again.
    fn with_writer<T>(
        &self,
        busy_timeout: Duration,
        work: impl FnOnce(&mut Database) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let mut database = match self.writer.take() {
            Some(database) => database,
            None => DatabaseArgs { busy_timeout, ..self.database.clone() }.open()?,
        };
        database.wait_up_to(busy_timeout);
        let result = work(&mut database);
        let is_usable = result.as_ref().err().is_none_or(anyhow::Error::is::<Error>);
        if is_usable {
            self.writer.replace(Some(database));
        }
        result
    }

    /// Reads without writing anything.
    pub(crate) fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection, Timestamp) -> Result<T, Stop>,
    ) -> anyhow::Result<T> {
        store::read(&self.database.open_read_only()?, doing, query)
    }

    /// The run of the environment, when it is a run of this agent.
    pub(crate) fn run_of(
        &self,
        connection: &Connection,
        agent: &Agent,
    ) -> rusqlite::Result<Option<RunId>> {
        store::outer_run_of(connection, self.outer_run.as_ref(), agent)
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
