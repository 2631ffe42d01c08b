//! The Python tool's database, read row by row without trust in its types.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, Utc};
use common::clock::Timestamp;
use common::sql::{self, Value};
use rusqlite::{Connection, OpenFlags};

use crate::error::Error;

/// The tables of both layouts, in the order in which they refer to each other.
pub(super) const TABLES: [&str; 8] =
    ["agents", "runs", "sessions", "state_kv", "state", "locks", "coordination", "journal"];

/// A database of the Python tool.
pub(crate) struct Source {
    connection: Connection,
    path: PathBuf,
}

impl Source {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        // SQLite would wait for a pipe, and say of a directory that the disk is broken.
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                let source = io::Error::from(io::ErrorKind::IsADirectory);
                return Err(common::error::file("read the database", path)(source).into());
            }
            Ok(found) if !found.is_file() => {
                return Err(Error::NotImportable { path: path.to_owned() }.into());
            }
            _ => {}
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(common::sqlite::error("open", path))?;
        connection
            .busy_timeout(common::sqlite::BUSY_TIMEOUT)
            .map_err(common::sqlite::error("open", path))?;
        let source = Self { connection, path: path.to_owned() };
        let columns = source.columns("agents").map_err(common::sqlite::error("read", path))?;
        if !columns.iter().any(|column| column == "agent_id") {
            return Err(Error::NotImportable { path: path.to_owned() }.into());
        }
        Ok(source)
    }

    /// The name of the file, for the record.
    pub(super) fn name(&self) -> &str {
        self.path.to_str().unwrap_or("import")
    }

    /// The columns of a table; none when it is not there.
    fn columns(&self, table: &str) -> rusqlite::Result<Vec<String>> {
        self.connection
            .prepare("SELECT name FROM pragma_table_info(?1)")?
            .query_map([table], |row| row.get(0))?
            .collect()
    }

    /// All rows of a table, oldest first; `None` when it is not there.
    pub(super) fn records(&self, table: &str) -> sql::Result<Option<Vec<Record>>> {
        let columns = self.columns(table)?;
        if columns.is_empty() {
            return Ok(None);
        }
        self.connection
            .prepare(&format!("SELECT * FROM {table} ORDER BY rowid"))?
            .query_map([], |row| {
                let mut fields = HashMap::with_capacity(columns.len());
                for (n, column) in columns.iter().enumerate() {
                    fields.insert(column.clone(), row.get(n)?);
                }
                Ok(Record(fields))
            })?
            .collect::<rusqlite::Result<_>>()
            .map(Some)
            .map_err(sql::Error::from)
    }
}

/// One row, by its columns.
pub(super) struct Record(HashMap<String, Value>);

impl Record {
    /// A row with these fields.
    #[cfg(any(test, fuzzing))]
    pub(super) fn of(fields: HashMap<String, Value>) -> Self {
        Self(fields)
    }

    fn value(&self, columns: &[&str]) -> Option<&Value> {
        columns.iter().find_map(|column| self.0.get(*column))
    }

    /// The text in the first of these columns that is there.
    pub(super) fn text(&self, columns: &[&str]) -> Option<String> {
        match self.value(columns)? {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Real(number) => Some(number.to_string()),
            Value::Null | Value::Blob(_) => None,
        }
    }

    pub(super) fn integer(&self, columns: &[&str]) -> Option<i64> {
        match self.value(columns)? {
            Value::Integer(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A moment as Python writes it: ISO 8601, with or without a zone.
    pub(super) fn moment(&self, columns: &[&str]) -> Option<Timestamp> {
        moment(&self.text(columns)?)
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|moment| moment.with_timezone(&Utc));
    let naive = || {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .map(|moment| moment.and_utc())
    };
    let moment = zoned.ok().or_else(naive)?;
    Some(Timestamp(moment.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::moment;
    use common::clock::Timestamp;

    #[test]
    fn moments_are_read_as_python_writes_them() {
        for (text, expect) in [
            ("2026-01-01T00:00:00.123456+00:00", Some(1_767_225_600_123)),
            ("2026-01-01T01:00:00+01:00", Some(1_767_225_600_000)),
            ("2026-01-01T00:00:00", Some(1_767_225_600_000)),
            ("2026-01-01 00:00:00.5", Some(1_767_225_600_500)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(moment(text), expect.map(Timestamp), "{text:?}");
        }
    }
}
