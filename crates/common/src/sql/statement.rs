//! A statement that is ready, and the rows of its answer.

#[cfg(feature = "postgres")]
use std::marker::PhantomData;

#[cfg(feature = "postgres")]
use crate::postgres::Session;

#[cfg(feature = "postgres")]
use super::Engine as _;
use super::{Error, Params, Result, Row};

/// A statement that is ready to be run, once or several times.
pub struct Statement<'c>(Kind<'c>);

enum Kind<'c> {
    Sqlite(rusqlite::Statement<'c>),
    #[cfg(feature = "postgres")]
    Postgres(&'c Session, String),
}

impl<'c> Statement<'c> {
    pub(super) fn of_sqlite(statement: rusqlite::Statement<'c>) -> Self {
        Self(Kind::Sqlite(statement))
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn of_postgres(session: &'c Session, text: &str) -> Self {
        Self(Kind::Postgres(session, text.to_owned()))
    }

    /// Runs a statement that gives no rows. Returns how many rows it changed.
    pub fn execute(&mut self, values: impl Params) -> Result<usize> {
        values.with(|values| match &mut self.0 {
            Kind::Sqlite(statement) => Ok(statement.execute(values)?),
            #[cfg(feature = "postgres")]
            Kind::Postgres(session, text) => session.run(text, values),
        })
    }

    /// Runs a statement that gives no rows, as [`Connection::send`](super::Connection) does.
    pub fn send(&mut self, values: impl Params) -> Result<()> {
        values.with(|values| match &mut self.0 {
            Kind::Sqlite(statement) => Ok(statement.execute(values).map(|_| ())?),
            #[cfg(feature = "postgres")]
            Kind::Postgres(session, text) => session.run_later(text, values),
        })
    }

    /// Runs the statement and gives its rows one by one. PostgreSQL's are all in memory then.
    pub fn query(&mut self, values: impl Params) -> Result<Rows<'_>> {
        values.with(|values| match &mut self.0 {
            Kind::Sqlite(statement) => Ok(Rows(Answer::Sqlite(statement.query(values)?))),
            #[cfg(feature = "postgres")]
            Kind::Postgres(session, text) => {
                let rows = session.query(text, values)?.into_iter();
                Ok(Rows(Answer::Postgres { rows, at: None, lives: PhantomData }))
            }
        })
    }

    /// What `take` makes of each row.
    pub fn query_map<T, F: FnMut(&Row<'_>) -> Result<T>>(
        &mut self,
        values: impl Params,
        take: F,
    ) -> Result<MappedRows<'_, F>> {
        Ok(MappedRows { rows: self.query(values)?, take })
    }

    /// The first row of the answer.
    ///
    /// # Errors
    /// [`Error::NoRow`] where there is none.
    pub fn query_row<T>(
        &mut self,
        values: impl Params,
        take: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut rows = self.query(values)?;
        take(&rows.next()?.ok_or(Error::NoRow)?)
    }
}

/// The rows of an answer.
pub struct Rows<'s>(Answer<'s>);

enum Answer<'s> {
    Sqlite(rusqlite::Rows<'s>),
    #[cfg(feature = "postgres")]
    Postgres {
        rows: std::vec::IntoIter<tokio_postgres::Row>,
        at: Option<tokio_postgres::Row>,
        lives: PhantomData<&'s ()>,
    },
}

impl Rows<'_> {
    /// The next row; `None` behind the last one.
    #[expect(clippy::should_implement_trait, reason = "a row lives only until the next one")]
    pub fn next(&mut self) -> Result<Option<Row<'_>>> {
        match &mut self.0 {
            Answer::Sqlite(rows) => Ok(rows.next()?.map(Row::of_sqlite)),
            #[cfg(feature = "postgres")]
            Answer::Postgres { rows, at, .. } => {
                *at = rows.next();
                Ok(at.as_ref().map(Row::of_postgres))
            }
        }
    }
}

/// What a function makes of each row of an answer.
pub struct MappedRows<'s, F> {
    rows: Rows<'s>,
    take: F,
}

impl<T, F: FnMut(&Row<'_>) -> Result<T>> Iterator for MappedRows<'_, F> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.rows.next() {
            Ok(row) => row.map(|row| (self.take)(&row)),
            Err(error) => Some(Err(error)),
        }
    }
}
