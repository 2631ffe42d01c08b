//! Values on their way to PostgreSQL and back: the five kinds that a column of ours can hold.

use std::borrow::Cow;
use std::error::Error as StdError;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use tokio_postgres::Row;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::sql;

/// A value for a statement.
#[derive(Debug, PartialEq)]
pub(super) enum Given<'a> {
    Nothing,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
}

impl<'a> Given<'a> {
    /// What a store gives.
    pub(super) fn of(value: &'a dyn sql::ToSql) -> sql::Result<Self> {
        Ok(match value.to_sql()? {
            ToSqlOutput::Borrowed(ValueRef::Null) | ToSqlOutput::Owned(Value::Null) => {
                Self::Nothing
            }
            ToSqlOutput::Borrowed(ValueRef::Integer(number))
            | ToSqlOutput::Owned(Value::Integer(number)) => Self::Integer(number),
            ToSqlOutput::Borrowed(ValueRef::Real(number))
            | ToSqlOutput::Owned(Value::Real(number)) => Self::Real(number),
            ToSqlOutput::Borrowed(ValueRef::Text(text)) => {
                Self::text(String::from_utf8_lossy(text))
            }
            ToSqlOutput::Owned(Value::Text(text)) => Self::text(text.into()),
            ToSqlOutput::Borrowed(ValueRef::Blob(bytes)) => Self::Bytes(bytes.into()),
            ToSqlOutput::Owned(Value::Blob(bytes)) => Self::Bytes(bytes.into()),
            _ => return Err(sql::FromSqlError::InvalidType.into()),
        })
    }

    /// The same, for later.
    pub(super) fn into_owned(self) -> Given<'static> {
        match self {
            Self::Nothing => Given::Nothing,
            Self::Integer(number) => Given::Integer(number),
            Self::Real(number) => Given::Real(number),
            Self::Text(text) => Given::Text(text.into_owned().into()),
            Self::Bytes(bytes) => Given::Bytes(bytes.into_owned().into()),
        }
    }

    /// No text of PostgreSQL can hold the byte 0; what a program wrote to its stderr can.
    fn text(text: Cow<'a, str>) -> Self {
        Self::Text(if text.contains('\0') { text.replace('\0', "\u{2400}").into() } else { text })
    }

    /// The type to send it as. Of nothing, the statement knows more than we do.
    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Nothing => Type::UNKNOWN,
            Self::Integer(_) => Type::INT8,
            Self::Real(_) => Type::FLOAT8,
            Self::Text(_) => Type::TEXT,
            Self::Bytes(_) => Type::BYTEA,
        }
    }
}

impl ToSql for Given<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Nothing => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(kind, out),
            Self::Real(number) => number.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.as_ref().to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value of an answer.
struct Taken<'a>(ValueRef<'a>);

impl<'a> FromSql<'a> for Taken<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        let integer = match *kind {
            Type::INT8 => Some(i64::from_sql(kind, raw)?),
            Type::INT4 => Some(i32::from_sql(kind, raw)?.into()),
            Type::BOOL => Some(bool::from_sql(kind, raw)?.into()),
            _ => None,
        };
        Ok(Self(match integer {
            Some(number) => ValueRef::Integer(number),
            None if *kind == Type::FLOAT8 => ValueRef::Real(f64::from_sql(kind, raw)?),
            None if *kind == Type::BYTEA => ValueRef::Blob(raw),
            None => ValueRef::Text(raw),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(ValueRef::Null))
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BOOL, Type::FLOAT8, Type::BYTEA, Type::TEXT, Type::UNKNOWN]
            .contains(kind)
    }
}

/// The value in a column, counted from 0.
pub(crate) fn of_column(row: &Row, column: usize) -> sql::Result<ValueRef<'_>> {
    Ok(row.try_get::<_, Taken<'_>>(column)?.0)
}
