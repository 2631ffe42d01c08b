//! A copy of the database as it stands at one moment, while others go on writing.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;

/// Copies the database into an empty file, and looks whether the copy is whole.
pub(crate) fn copy(from: &Connection, to: &Path) -> rusqlite::Result<Vec<String>> {
    let mut copy = Connection::open(to)?;
    // All pages in one step: a copy in several would start again with each write of another process.
    Backup::new(from, &mut copy)?.run_to_completion(i32::MAX, Duration::ZERO, None)?;
    super::doctor::damage(&copy)
}
