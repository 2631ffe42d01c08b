//! The only SQL of this tool: its own tables, and what it reads from the journal beyond the shared queries.
//!
//! Functions take a connection or a transaction; who calls decides what belongs together. Nothing
//! here judges.

pub(crate) mod alerts;
pub(crate) mod facts;
pub(crate) mod holds;
pub(crate) mod jobs;
pub(crate) mod journal;
pub(crate) mod skips;
pub(crate) mod spending;
pub(crate) mod transitions;

use common::sql::{self, FromSqlError};

/// Reads a column that holds JSON.
fn json<T: serde::de::DeserializeOwned>(text: &str) -> sql::Result<T> {
    serde_json::from_str(text).map_err(|error| FromSqlError::Other(Box::new(error)).into())
}

/// Text for a column that holds JSON.
fn to_json(value: &impl serde::Serialize) -> sql::Result<String> {
    serde_json::to_string(value).map_err(|error| FromSqlError::Other(Box::new(error)).into())
}
