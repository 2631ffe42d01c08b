//! A connection that is used from one thread at a time, and that never waits without end.
//!
//! It has the methods of the `postgres` crate, and like that one a runtime of its own behind them. What it adds
//! is the bound: a server that is frozen, or a pooler that has no connection to give, acknowledges what is sent
//! and never answers, and no option of the socket notices that.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client as Protocol, Error, Row, SimpleQueryMessage};

use super::connect::Open;

/// How long an answer is waited for unless [`Client::wait_up_to`] says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the end of a connection may take: what is left of it is the server's to clean up.
const FAREWELL: Duration = Duration::from_millis(100);

/// A value for a statement, and its type.
pub(super) type Typed<'a> = (&'a (dyn ToSql + Sync), Type);

/// A connection to a server.
pub struct Client {
    // Dropped before the driver, which then says goodbye.
    protocol: Protocol,
    driver: Driver,
    patience: Duration,
    has_timed_out: bool,
    /// The server's last word was that the session is over.
    was_ended: bool,
}

/// What moves the bytes while a call waits.
struct Driver {
    runtime: Runtime,
    task: JoinHandle<()>,
}

impl Client {
    pub(super) fn new(runtime: Runtime, open: Open) -> Self {
        Self {
            protocol: open.client,
            driver: Driver { runtime, task: open.driver },
            patience: PATIENCE,
            has_timed_out: false,
            was_ended: false,
        }
    }

    /// Changes how long each of the following calls waits for its answer, at most.
    pub fn wait_up_to(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Whether the connection was closed because an answer took too long. What was asked may still be done.
    pub fn has_timed_out(&self) -> bool {
        self.has_timed_out
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.was_ended || self.protocol.is_closed()
    }

    /// Does `work` with the client of the protocol, for what has no method here, as several statements in one
    /// round trip. When its time runs out the connection is closed, and the statement that waits fails as it
    /// does when a connection is lost.
    pub fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Protocol) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Self { protocol, driver, patience, has_timed_out, was_ended } = self;
        let done = driver.runtime.block_on(async {
            let mut work = pin!(work(protocol));
            if let Ok(done) = timeout(*patience, work.as_mut()).await {
                return done;
            }
            *has_timed_out = true;
            driver.task.abort();
            work.await
        });
        // Such an answer comes before the end of the connection itself, which may still be on its way.
        *was_ended |= done.as_ref().err().is_some_and(ends_session);
        done
    }

    /// Does statements whose parameters have these types, and then `last`, all in one round trip. The first
    /// failure is the one that comes back: in a transaction, those behind it fail for its sake.
    pub(super) fn run_after<T>(
        &mut self,
        statements: &[(&str, Vec<Typed<'_>>)],
        last: impl AsyncFnOnce(&Protocol) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.run(async |protocol| {
            let protocol = &*protocol;
            let mut waiting: Vec<_> = statements
                .iter()
                .map(|(text, values)| Some(Box::pin(protocol.execute_typed(text, values))))
                .collect();
            let mut last = pin!(last(protocol));
            let (mut answer, mut failure) = (None, None);
            // To ask a statement how it went the first time is what sends it, so they go in their order, and
            // none waits for the answer to another.
            poll_fn(|context| {
                for statement in &mut waiting {
                    if let Some(done) = statement.as_mut()
                        && let Poll::Ready(result) = done.as_mut().poll(context)
                    {
                        *statement = None;
                        failure = failure.take().or(result.err());
                    }
                }
                if answer.is_none()
                    && let Poll::Ready(result) = last.as_mut().poll(context)
                {
                    answer = Some(result);
                }
                match answer.take_if(|_| waiting.iter().all(Option::is_none)) {
                    Some(answer) => Poll::Ready(failure.take().map_or(answer, Err)),
                    None => Poll::Pending,
                }
            })
            .await
        })
    }

    /// The rows of a statement whose parameters have these types: one round trip, and nothing is left behind on
    /// the server, so that it goes through a pooler in transaction mode.
    pub fn query_typed(
        &mut self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Error> {
        self.run(async |protocol| protocol.query_typed(statement, parameters).await)
    }

    /// The rows of a statement; the server is asked for the types first, under a name that a pooler may not
    /// know again.
    pub fn query(
        &mut self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        self.run(async |protocol| protocol.query(statement, parameters).await)
    }

    /// Does statements that have no parameters, in one round trip.
    pub fn batch_execute(&mut self, statements: &str) -> Result<(), Error> {
        self.run(async |protocol| protocol.batch_execute(statements).await)
    }

    /// Does statements that have no parameters; values come back as text.
    pub fn simple_query(&mut self, statements: &str) -> Result<Vec<SimpleQueryMessage>, Error> {
        self.run(async |protocol| protocol.simple_query(statements).await)
    }
}

/// Whether the server answered with an error that ends the session, as when it is being stopped.
fn ends_session(error: &Error) -> bool {
    error
        .as_db_error()
        .and_then(DbError::parsed_severity)
        .is_some_and(|severity| matches!(severity, Severity::Fatal | Severity::Panic))
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Without a goodbye the server would log a lost connection.
        let task = &mut self.task;
        let _ = self.runtime.block_on(async { timeout(FAREWELL, task).await });
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}
