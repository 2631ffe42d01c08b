//! The store of the Python original: an SQLite database and its key file beside it.
//!
//! It is read where it lies, also while the original runs, and never changed or deleted. Service
//! names stay as they are, because scripts ask for them.

use std::path::{Path, PathBuf};

use chrono::DateTime;
use common::clock::Timestamp;

use super::{Export, Format, ReadError, Row, Skipped};
use crate::key;
use crate::seal::Seal;
use crate::secret::Secret;
use crate::store::foreign::{self, ForeignRow};

/// The database and the key that belong to a path: the directory, or one of the two files.
fn files(path: &Path) -> (PathBuf, PathBuf) {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let database = if path.is_dir() || path.extension().is_none_or(|extension| extension != "db") {
        folder.join("credentials.db")
    } else {
        path.to_path_buf()
    };
    (database, folder.join(".master_key"))
}

/// Whether the path is such a store: the directory with both files, or its database.
pub(crate) fn is_store(path: &Path, head: &[u8]) -> bool {
    let (database, key) = files(path);
    (path.is_dir() && database.exists() && key.exists()) || head.starts_with(b"SQLite format 3\0")
}

/// Reads the store.
pub(crate) fn read(path: &Path) -> Result<Export, ReadError> {
    let (database, key_file) = files(path);
    // The original made its key file private only after it had written it, so its mode is not checked.
    let bytes = std::fs::read(&key_file)
        .map(zeroize::Zeroizing::new)
        .map_err(|source| ReadError::Hermes(format!("its key {}: {source}", key_file.display())))?;
    let key =
        key::parse(&bytes).map_err(|problem| ReadError::Hermes(format!("its key: {problem}")))?;
    let seal =
        Seal::new(&key).ok_or_else(|| ReadError::Hermes("its key is no Fernet key".to_owned()))?;
    let rows = foreign::read(&database).map_err(|error| ReadError::Hermes(error.to_string()))?;
    let mut export = Export::new(Format::Hermes);
    for one in rows {
        let line = u64::try_from(one.id).unwrap_or(0);
        let service = one.service.clone();
        if let Some(row) = opened(one, &seal, line) {
            export.take(row)?;
        } else {
            let skipped = Skipped::at(line, "its key does not open it");
            export.skipped.push(Skipped { service, ..skipped });
        }
    }
    Ok(export)
}

fn opened(one: ForeignRow, seal: &Seal, line: u64) -> Option<Row> {
    let mut row = Row::new(line);
    row.password = seal.open_text(&one.token)?;
    row.name = one.service;
    row.username = one.username;
    row.urls = if one.url.is_empty() { Vec::new() } else { vec![one.url] };
    row.note = Secret::new(one.note);
    row.created_at = moment(&one.created_at);
    row.updated_at = moment(&one.updated_at);
    row.is_named = true;
    Some(row)
}

fn moment(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| Timestamp(at.timestamp_millis()))
}
