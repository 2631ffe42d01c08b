//! How a store puts its statements to a database, whichever engine has it.
//!
//! A statement is written once, with `?1` for its first value, in the SQL that both engines understand. The types
//! of values are declared once, too, with rusqlite's `ToSql` and `FromSql`, whose five kinds of values (nothing,
//! integer, real, text, bytes) are those of our columns. Nothing here opens a database or begins a transaction.
//!
//! # What both engines understand
//! `CASE WHEN a > b` for the larger of two; `RETURNING id` for the number of a new row; `?1 = 1` for a condition
//! that is a value; the table's name before a column in `DO UPDATE SET`; `CAST(… AS DOUBLE PRECISION)` for a sum.
//! A value that can be nothing stands first where its type shows: `a = ?1 OR ?1 IS NULL`.

mod params;
mod row;
mod statement;

#[cfg(feature = "postgres")]
use tokio_postgres::error::SqlState;

#[cfg(feature = "postgres")]
use crate::exit::Exit;
#[cfg(feature = "postgres")]
use crate::report::Explain as _;

pub use params::Params;
pub use row::Row;
pub use rusqlite::params;
pub use rusqlite::types::{FromSql, FromSqlError, ToSql, Value, ValueRef};
pub use statement::{MappedRows, Rows, Statement};

/// What a statement can meet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A row was asked for, and there is none.
    #[error("there is no such row")]
    NoRow,
    /// A column holds what its type does not allow; written by another program, perhaps.
    #[error("the column {column} holds something else")]
    Value {
        /// Its place in the row, from 0.
        column: usize,
        /// What was expected.
        source: FromSqlError,
    },
    /// SQLite failed.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    /// PostgreSQL failed.
    #[cfg(feature = "postgres")]
    #[error("{}", said(.0))]
    Postgres(tokio_postgres::Error),
    /// No server of PostgreSQL could be reached.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Unreachable(#[from] Box<crate::postgres::ConnectError>),
    /// The connection was lost within a transaction, and what the transaction did with it.
    #[cfg(feature = "postgres")]
    #[error("the connection to the server was lost")]
    Lost,
}

/// What a statement gives.
pub type Result<T> = std::result::Result<T, Error>;

/// What a value gives for a statement.
pub type Given<'v> = rusqlite::Result<rusqlite::types::ToSqlOutput<'v>>;

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => Self::NoRow,
            other => Self::Sqlite(other),
        }
    }
}

// The message of the one below says all that the error has behind it.
#[cfg(feature = "postgres")]
impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<FromSqlError> for Error {
    fn from(source: FromSqlError) -> Self {
        Self::Value { column: 0, source }
    }
}

/// What the server said, in one line; without it, what went wrong with the connection.
#[cfg(feature = "postgres")]
fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(answer) => answer.message().to_owned(),
        None => error.to_string(),
    }
}

#[cfg(feature = "postgres")]
impl Error {
    /// Whether the same, tried again later, can work.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Postgres(error) => crate::postgres::is_transient(error),
            Self::Unreachable(error) => error.exit() == Exit::Again,
            Self::Lost => true,
            Self::NoRow | Self::Value { .. } | Self::Sqlite(_) => false,
        }
    }

    /// Whether another wrote for longer than one may wait for it.
    pub(crate) fn is_busy(&self) -> bool {
        self.has_state(&SqlState::LOCK_NOT_AVAILABLE)
    }

    /// Whether the server refused with this code.
    pub(crate) fn has_state(&self, state: &SqlState) -> bool {
        matches!(self, Self::Postgres(error) if error.code() == Some(state))
    }

    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable(error) => error.hint(),
            _ if self.has_state(&SqlState::INSUFFICIENT_PRIVILEGE) => Some(
                "let the user own the database, or GRANT CREATE, USAGE ON SCHEMA public and all rights on its tables"
                    .to_owned(),
            ),
            _ if self.has_state(&SqlState::DISK_FULL) => {
                Some("free some space on the server and run the command again".to_owned())
            }
            _ => None,
        }
    }
}

#[cfg(feature = "fleet")]
impl Error {
    /// The same as an error of SQLite, for a database that is a file.
    pub(crate) fn of_a_file(self) -> rusqlite::Error {
        match self {
            Self::NoRow => rusqlite::Error::QueryReturnedNoRows,
            Self::Sqlite(error) => error,
            other => rusqlite::Error::ToSqlConversionFailure(Box::new(other)),
        }
    }
}

/// Makes "there is no such row" an answer.
pub trait OptionalExtension<T> {
    /// `None` where there is no such row.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalExtension<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(Error::NoRow) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What an engine does with a statement.
pub trait Engine {
    /// Runs a statement that gives no rows. Returns how many rows it changed.
    fn run(&self, text: &str, values: &[&dyn ToSql]) -> Result<usize>;
    /// Runs a statement whose answer nobody looks at, now or together with the next one of the transaction.
    fn run_later(&self, text: &str, values: &[&dyn ToSql]) -> Result<()>;
    /// Gets a statement ready, to be run once or several times.
    fn ready(&self, text: &str) -> Result<Statement<'_>>;
    /// Has the tables that number their rows go on behind the highest number, after rows came with theirs.
    fn number_on(&self) -> Result<()>;
}

impl Engine for rusqlite::Connection {
    fn run(&self, text: &str, values: &[&dyn ToSql]) -> Result<usize> {
        Ok(self.execute(text, values)?)
    }

    fn run_later(&self, text: &str, values: &[&dyn ToSql]) -> Result<()> {
        self.run(text, values).map(|_| ())
    }

    fn ready(&self, text: &str) -> Result<Statement<'_>> {
        Ok(Statement::of_sqlite(self.prepare(text)?))
    }

    fn number_on(&self) -> Result<()> {
        // It always takes the number behind the highest one.
        Ok(())
    }
}

/// An open database towards a store.
pub type Connection = dyn Engine;

impl dyn Engine + '_ {
    /// Runs a statement that gives no rows. Returns how many rows it changed.
    pub fn execute(&self, text: &str, values: impl Params) -> Result<usize> {
        values.with(|values| self.run(text, values))
    }

    /// Runs a statement that gives no rows, and of which nobody needs to know how many it changed.
    ///
    /// Over a network this saves a round trip while others wait for their turn to write: what is wrong with the
    /// statement may be said by the next one of the transaction, or by its end.
    pub fn send(&self, text: &str, values: impl Params) -> Result<()> {
        values.with(|values| self.run_later(text, values))
    }

    /// The first row of the answer.
    ///
    /// # Errors
    /// [`Error::NoRow`] where there is none.
    pub fn query_row<T>(
        &self,
        text: &str,
        values: impl Params,
        take: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.ready(text)?.query_row(values, take)
    }

    /// Gets a statement ready, to be run once or several times.
    pub fn prepare(&self, text: &str) -> Result<Statement<'_>> {
        self.ready(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> rusqlite::Connection {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a INTEGER, b TEXT)").unwrap();
        connection
    }

    #[test]
    fn a_statement_takes_values_and_gives_rows() {
        let memory = memory();
        let connection: &Connection = &memory;
        let insert = "INSERT INTO t (a, b) VALUES (?1, ?2)";
        assert_eq!(connection.execute(insert, params![1, "one"]).unwrap(), 1);
        assert_eq!(connection.execute(insert, params![2, None::<&str>]).unwrap(), 1);
        let mut statement =
            connection.prepare("SELECT a, b FROM t WHERE a >= ?1 ORDER BY a").unwrap();
        let rows: Vec<(i64, Option<String>)> = statement
            .query_map([1], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_>>()
            .unwrap();
        assert_eq!(rows, [(1, Some("one".to_owned())), (2, None)]);
        let mut rows = statement.query([2]).unwrap();
        assert_eq!(rows.next().unwrap().unwrap().get::<i64>(0).unwrap(), 2);
        assert!(rows.next().unwrap().is_none());
    }

    #[test]
    fn no_row_is_an_answer_and_a_wrong_value_names_its_column() {
        let memory = memory();
        let connection: &Connection = &memory;
        let none = connection.query_row("SELECT a FROM t", [], |row| row.get::<i64>(0));
        assert!(matches!(none, Err(Error::NoRow)));
        assert_eq!(none.optional().unwrap(), None);
        connection.execute("INSERT INTO t (a, b) VALUES (1, 'one')", []).unwrap();
        let wrong = connection.query_row("SELECT a, b FROM t", [], |row| row.get::<i64>(1));
        assert_eq!(wrong.unwrap_err().to_string(), "the column 1 holds something else");
    }
}
