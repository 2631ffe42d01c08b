//! One row of an answer.

#[cfg(feature = "postgres")]
use crate::postgres::value;

use super::{Error, FromSql, Result};

/// One row of an answer, as long as the answer stands at it.
#[derive(Debug)]
pub struct Row<'r>(Kind<'r>);

#[derive(Debug)]
enum Kind<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    #[cfg(feature = "postgres")]
    Postgres(&'r tokio_postgres::Row),
}

impl<'r> Row<'r> {
    pub(super) fn of_sqlite(row: &'r rusqlite::Row<'r>) -> Self {
        Self(Kind::Sqlite(row))
    }

    #[cfg(feature = "postgres")]
    pub(super) fn of_postgres(row: &'r tokio_postgres::Row) -> Self {
        Self(Kind::Postgres(row))
    }

    /// The value in a column, counted from 0.
    ///
    /// # Errors
    /// [`Error::Value`] where it is of another type.
    pub fn get<T: FromSql>(&self, column: usize) -> Result<T> {
        let value = match self.0 {
            Kind::Sqlite(row) => row.get_ref(column)?,
            #[cfg(feature = "postgres")]
            Kind::Postgres(row) => value::of_column(row, column)?,
        };
        T::column_result(value).map_err(|source| Error::Value { column, source })
    }

    /// The names of the columns, in their order.
    pub fn columns(&self) -> Vec<String> {
        match self.0 {
            Kind::Sqlite(row) => row.as_ref().column_names().map(str::to_owned).collect(),
            #[cfg(feature = "postgres")]
            Kind::Postgres(row) => {
                row.columns().iter().map(|column| column.name().to_owned()).collect()
            }
        }
    }
}
