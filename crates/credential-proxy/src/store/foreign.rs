//! Reads the database of the Python original, and nothing else of it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// A row of the original; its password is still a token.
pub(crate) struct ForeignRow {
    pub(crate) id: i64,
    pub(crate) service: String,
    pub(crate) url: String,
    pub(crate) username: String,
    pub(crate) token: String,
    pub(crate) note: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// Reads all rows. The database is opened for reading only.
pub(crate) fn read(path: &Path) -> rusqlite::Result<Vec<ForeignRow>> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(super::BUSY_TIMEOUT)?;
    let mut read = connection.prepare(
        "SELECT id, service, coalesce(url, ''), username, password_encrypted, coalesce(note, ''), created_at, updated_at
         FROM credentials ORDER BY id",
    )?;
    let rows = read.query_map([], |row| {
        Ok(ForeignRow {
            id: row.get(0)?,
            service: row.get(1)?,
            url: row.get(2)?,
            username: row.get(3)?,
            token: row.get(4)?,
            note: row.get(5)?,
            created_at: row.get(6)?,
            updated_at: row.get(7)?,
        })
    })?;
    rows.collect()
}
