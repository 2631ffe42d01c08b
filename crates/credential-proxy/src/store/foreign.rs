//! Reads the database of the Python original, and nothing else of it.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
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

/// Reads all rows. Nothing is written, not even the files that SQLite keeps beside a database in this mode.
pub(crate) fn read(path: &Path) -> rusqlite::Result<Vec<ForeignRow>> {
    for _ in 0..N_TRIES {
        // What is not yet in the file itself can only be read with the help of those files.
        let before = stamp(path);
        if before.is_none() || has_journal(path) {
            break;
        }
        let rows = Connection::open_with_flags(uri(path), FLAGS | OpenFlags::SQLITE_OPEN_URI)
            .and_then(|connection| rows(&connection));
        // The file was taken for one that nobody changes; only when that was so are the rows right.
        if stamp(path) == before && !has_journal(path) {
            return rows;
        }
    }
    rows(&Connection::open_with_flags(path, FLAGS)?)
}

const FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// How often the file is read again when the original writes at the same moment.
const N_TRIES: usize = 5;

fn has_journal(path: &Path) -> bool {
    ["-wal", "-journal"].iter().any(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        Path::new(&name).metadata().is_ok_and(|found| found.len() > 0)
    })
}

/// What changes whenever the file does.
fn stamp(path: &Path) -> Option<(u64, i64, i64, u64)> {
    let found = path.metadata().ok()?;
    Some((found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
}

fn uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?immutable=1");
    uri
}

fn rows(connection: &Connection) -> rusqlite::Result<Vec<ForeignRow>> {
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
