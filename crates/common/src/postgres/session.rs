//! A session with the server that has the fleet database: how it is opened, read and written.
//!
//! Whoever writes is alone: a transaction begins by taking the fleet's advisory lock, which the server hands out
//! in the order of asking. So the check-then-write that holds on SQLite holds here, and there is no
//! serialization failure to retry. All moments are of the server's clock.
//!
//! Each answer that is waited for is waited for by all who stand in line. So statements whose answer nobody looks
//! at ([`Engine::run_later`]) travel with the next one, at the latest with the COMMIT, which fails when one of them
//! did.
//!
//! A transaction leaves a mark of its own in `fleet_commits`. When its COMMIT was not answered, the mark is looked
//! for over a new connection: what was written is never written twice, and what was not is never called written.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio_postgres::{Client as Protocol, Row, SimpleQueryMessage};

use super::client::{Client, Typed};
use super::value::Given;
use super::{Server, create, text};
use crate::clock::{self, Timestamp};
use crate::error::Error;
use crate::sql::{self, Connection, Engine, Statement};
use crate::sqlite::BUSY_TIMEOUT;

/// The two numbers of the advisory lock that writers take: "AGST", and what it is for.
const WRITER: (i32, i32) = (0x4147_5354, 1);

/// A writer that says nothing for so long is cut off by the server, so that it does not stop all others: it is
/// suspended, or the network between is gone.
const SILENCE: Duration = Duration::from_secs(5);

/// How long the mark of a transaction is kept.
const FORGET: Duration = Duration::from_secs(60 * 60);

/// How often the fate of a transaction is asked for while it is undecided, and a server that is not there.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// How many statements wait for the next one at most; what they say has to be kept until then.
const MAX_UNSENT: usize = 200;

/// How long an answer is waited for by whom is in no hurry.
const PATIENCE: Duration = Duration::from_secs(60);

/// Selects the server's moment, in Unix milliseconds.
pub(super) const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// A session with the server.
pub struct Session {
    server: Arc<Server>,
    /// `None` until it is needed, and once it is broken.
    client: RefCell<Option<Client>>,
    busy_timeout: Cell<Duration>,
    /// Whether a transaction is open: no statement goes over another connection meanwhile.
    is_writing: Cell<bool>,
    /// Statements of the open transaction that go with the next one.
    unsent: RefCell<Vec<Unsent>>,
}

/// A statement, and its values.
type Unsent = (String, Vec<Given<'static>>);

impl Session {
    /// Connects, and creates or migrates the tables where that is needed.
    pub fn open(server: Arc<Server>, busy_timeout: Duration) -> Result<Self, Error> {
        let session = Self {
            server,
            client: RefCell::new(None),
            busy_timeout: Cell::new(busy_timeout),
            is_writing: Cell::new(false),
            unsent: RefCell::default(),
        };
        create::prepare(&session)?;
        Ok(session)
    }

    /// Changes how long a writer waits for others, and everybody for a server that starts up.
    pub fn wait_up_to(&self, busy_timeout: Duration) {
        self.busy_timeout.set(busy_timeout);
    }

    /// The version of the server, as it calls it.
    pub fn version(&self) -> Result<String, Error> {
        let row = self.batch("SHOW server_version").map_err(|error| self.error("open", error))?;
        Ok(row.into_iter().next().unwrap_or_default())
    }

    /// Reads; `doing` completes "cannot … the database NAME" when that fails.
    pub fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection) -> sql::Result<T>,
    ) -> Result<T, Error> {
        query(self).map_err(|source| self.error(doing, source))
    }

    /// Checks and writes in one transaction. What `change` returns is committed, "no" included.
    pub fn write<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Connection) -> sql::Result<T>,
    ) -> Result<T, Error> {
        self.transact(change).map_err(|source| self.error(doing, source))
    }

    /// "Cannot DOING the database NAME".
    pub(super) fn error(&self, doing: &'static str, source: sql::Error) -> Error {
        match source {
            sql::Error::Unreachable(error) => Error::Connect(*error),
            source if source.is_busy() => Error::Busy { path: self.name().into(), source },
            source => Error::Statement { doing, name: self.name(), source },
        }
    }

    /// The address without its password.
    pub(super) fn name(&self) -> String {
        self.server.label().to_owned()
    }

    fn transact<T>(&self, change: impl FnOnce(&Connection) -> sql::Result<T>) -> sql::Result<T> {
        let token = crate::fleet::new_id();
        // What is older than the longest wait for an answer is asked for by nobody.
        let forgotten = crate::fleet::first_id_at(clock::now().minus(FORGET));
        let mark = format!(
            "DELETE FROM fleet_commits WHERE token < '{forgotten}'; \
             INSERT INTO fleet_commits (token) VALUES ('{token}');"
        );
        self.transact_as(&mark, Some(&token), change)
    }

    /// As [`Session::write`], where there may be no tables yet: a commit that is not answered counts as none,
    /// which is right for what can be done once more.
    pub(super) fn transact_unmarked<T>(
        &self,
        change: impl FnOnce(&Connection) -> sql::Result<T>,
    ) -> sql::Result<T> {
        self.transact_as("", None, change)
    }

    fn transact_as<T>(
        &self,
        mark: &str,
        token: Option<&str>,
        change: impl FnOnce(&Connection) -> sql::Result<T>,
    ) -> sql::Result<T> {
        self.begin(mark)?;
        self.is_writing.set(true);
        let changed = change(self);
        let result = changed.and_then(|value| self.commit(token).map(|()| value));
        if result.is_err() {
            self.roll_back();
        }
        self.is_writing.set(false);
        result
    }

    /// Begins a transaction as the one writer, and leaves its mark.
    fn begin(&self, mark: &str) -> sql::Result<()> {
        let wait = self.busy_timeout.get().as_millis().clamp(1, 1 << 30);
        let row = self.batch(&format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {wait}; \
             SET LOCAL idle_in_transaction_session_timeout = {silence}; \
             SELECT pg_advisory_xact_lock({lock}, {purpose}); {mark} {NOW}",
            silence = SILENCE.as_millis(),
            lock = WRITER.0,
            purpose = WRITER.1,
        ));
        let row = row.inspect_err(|_| self.roll_back())?;
        follow_clock(&row);
        Ok(())
    }

    /// Commits, and finds out what became of it when the answer was lost.
    fn commit(&self, token: Option<&str>) -> sql::Result<()> {
        // After a statement that failed COMMIT would roll back without a word; the one before it says so.
        let answer = self.batch("SELECT 1; COMMIT");
        let is_lost = self.client.borrow().is_none();
        match answer {
            Err(error) if is_lost => {
                self.is_writing.set(false);
                if token.is_some_and(|token| self.was_committed(token)) {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            answer => answer.map(|_| ()),
        }
    }

    /// Whether the server has committed the transaction that left this mark.
    ///
    /// Whoever takes the writers' lock comes after the end of that transaction, so its mark is there or never
    /// will be. The server's own ids of transactions do not tell: after a crash, or on a standby that took over,
    /// the next writer gets the id of the one that was lost.
    fn was_committed(&self, token: &str) -> bool {
        let until = Instant::now() + self.busy_timeout.get() + SILENCE;
        loop {
            let row = self.batch(&format!(
                "BEGIN; SET LOCAL lock_timeout = {silence}; \
                 SELECT pg_advisory_xact_lock({lock}, {purpose}); \
                 SELECT count(*) FROM fleet_commits WHERE token = '{token}'; COMMIT",
                silence = SILENCE.as_millis(),
                lock = WRITER.0,
                purpose = WRITER.1,
            ));
            match row.as_deref().map(|row| row.first().map(String::as_str)) {
                Ok(found) => return found == Some("1"),
                Err(error) if error.is_transient() => self.roll_back(),
                Err(_) => return false,
            }
            if Instant::now() >= until {
                return false;
            }
            thread::sleep(ASK_AGAIN);
        }
    }

    /// What cannot be rolled back is gone with its connection.
    fn roll_back(&self) {
        self.unsent.take();
        let client = self.client.take();
        let client =
            client.and_then(|mut client| client.simple_query("ROLLBACK").ok().map(|_| client));
        self.client.replace(client);
    }

    /// Sends statements that take no values, in one go. Returns the last row that came back.
    pub(super) fn batch(&self, statements: &str) -> sql::Result<Vec<String>> {
        let messages =
            self.with_client(&async |protocol| protocol.simple_query(statements).await)?;
        let last = messages.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(last.map_or_else(Vec::new, |row| {
            (0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned()).collect()
        }))
    }

    /// Runs a statement and returns its rows.
    pub(crate) fn query(&self, text: &str, values: &[&dyn sql::ToSql]) -> sql::Result<Vec<Row>> {
        let (text, given) = (text::statement(text), given(values)?);
        self.with_client(&async |protocol| protocol.query_typed(&text, &typed(&given)).await)
    }

    /// Connects; a server that starts up, or makes way for another, is waited for.
    fn connect(&self) -> sql::Result<Client> {
        let busy_timeout = self.busy_timeout.get();
        let until = Instant::now() + busy_timeout;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.server.connect(left.max(ASK_AGAIN)) {
                Ok(client) => return Ok(client),
                // The last try must have the time of a try, and its error is the one that is told.
                Err(error)
                    if error.is_transient() && Instant::now() + busy_timeout / 10 < until =>
                {
                    thread::sleep(ASK_AGAIN);
                }
                Err(error) => return Err(Box::new(error).into()),
            }
        }
    }

    /// How long an answer is waited for. A server that is frozen, or cut off, never gives one; whoever has less
    /// time than a busy database usually gets says so by a shorter busy timeout.
    fn patience(&self) -> Duration {
        let busy_timeout = self.busy_timeout.get();
        if busy_timeout < BUSY_TIMEOUT { busy_timeout * 2 } else { PATIENCE.max(busy_timeout * 2) }
    }

    /// Does `work` over the connection, a new one where there is none, behind what is unsent. What fails over one
    /// that was idle is tried once more over a new one: outside of a transaction nothing has happened yet.
    fn with_client<T>(
        &self,
        work: &impl AsyncFn(&Protocol) -> Result<T, tokio_postgres::Error>,
    ) -> sql::Result<T> {
        let unsent = self.unsent.take();
        let before: Vec<_> =
            unsent.iter().map(|(text, given)| (text.as_str(), typed(given))).collect();
        let work = |client: &mut Client| client.run_after(&before, work);
        if let Some(mut client) = self.client.take() {
            client.wait_up_to(self.patience());
            let result = work(&mut client);
            let is_broken = result.is_err() && client.is_closed();
            if !is_broken {
                self.client.replace(Some(client));
            }
            if !is_broken || self.is_writing.get() {
                return Ok(result?);
            }
        } else if self.is_writing.get() {
            return Err(sql::Error::Lost);
        }
        let mut client = self.connect()?;
        client.wait_up_to(self.patience());
        let result = work(&mut client);
        if result.is_ok() || !client.is_closed() {
            self.client.replace(Some(client));
        }
        Ok(result?)
    }
}

impl Engine for Session {
    fn run(&self, text: &str, values: &[&dyn sql::ToSql]) -> sql::Result<usize> {
        let (text, given) = (text::statement(text), given(values)?);
        let n_rows = self
            .with_client(&async |protocol| protocol.execute_typed(&text, &typed(&given)).await)?;
        Ok(usize::try_from(n_rows).unwrap_or(usize::MAX))
    }

    fn run_later(&self, text: &str, values: &[&dyn sql::ToSql]) -> sql::Result<()> {
        if !self.is_writing.get() || self.unsent.borrow().len() >= MAX_UNSENT {
            return self.run(text, values).map(|_| ());
        }
        let given = given(values)?.into_iter().map(Given::into_owned).collect();
        self.unsent.borrow_mut().push((text::statement(text).into_owned(), given));
        Ok(())
    }

    fn ready(&self, text: &str) -> sql::Result<Statement<'_>> {
        Ok(Statement::of_postgres(self, text))
    }

    fn number_on(&self) -> sql::Result<()> {
        let tables = "SELECT table_name::text FROM information_schema.columns
            WHERE table_schema = current_schema() AND column_name = 'id' AND is_identity = 'YES'";
        for row in self.query(tables, &[])? {
            let table: &str = row.try_get(0)?;
            self.batch(&format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'id'), coalesce(max(id), 0) + 1, false) FROM {table}"
            ))?;
        }
        Ok(())
    }
}

/// From now on moments are of the server's clock, which stands first in the row.
pub(super) fn follow_clock(row: &[String]) {
    if let Some(millis) = row.first().and_then(|millis| millis.parse().ok()) {
        clock::follow(Timestamp(millis));
    }
}

fn given<'a>(values: &[&'a dyn sql::ToSql]) -> sql::Result<Vec<Given<'a>>> {
    values.iter().map(|value| Given::of(*value)).collect()
}

fn typed<'a>(given: &'a [Given<'_>]) -> Vec<Typed<'a>> {
    given.iter().map(|value| (value as _, value.kind())).collect()
}
