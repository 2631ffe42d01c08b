//! The vault: one SQLite file whose every row is a sealed token. The only module with SQL.
//!
//! # Locking
//! Every change is one `BEGIN IMMEDIATE` transaction that first makes sure that the vault is still
//! sealed with the key at hand, since a rotation may have come in between.
//!
//! # Durability
//! A rollback journal and full synchronization: the vault is one file at rest, and deleted tokens
//! are overwritten.

mod change;
pub(crate) mod foreign;
mod open;
mod schema;

pub(crate) use self::change::Change;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::clock::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, TransactionBehavior, params};

use crate::credential::Credential;
use crate::error::Error;
use crate::seal::Seal;
use crate::secret::Secret;

/// How long a change waits for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the sealed `check` of a vault says; another key cannot open it.
const CHECK: &str = "credential-proxy vault";

/// An open vault and the key that opens it.
pub(crate) struct Vault {
    path: PathBuf,
    connection: Connection,
    seal: Seal,
}

/// The rows of a table that could be opened, and the ids of those that could not.
pub(crate) struct Opened<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) broken: Vec<i64>,
}

impl Vault {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The key of the audit trail; it stays the same when the vault's key is rotated.
    pub(crate) fn audit_key(&self) -> Result<Secret, Error> {
        self.meta("audit_key")?.ok_or_else(|| Error::Corrupt { path: self.path.clone() })
    }

    fn meta(&self, name: &str) -> Result<Option<Secret>, Error> {
        let token = meta_token(&self.connection, name).map_err(store_error("read", &self.path))?;
        let Some(token) = token else { return Ok(None) };
        let text = self
            .seal
            .open_text(&token)
            .ok_or_else(|| Error::Corrupt { path: self.path.clone() })?;
        Ok(Some(Secret::new(text.expose().trim_end())))
    }

    /// All credentials, sorted by service, username and id.
    pub(crate) fn credentials(&self) -> Result<Opened<Credential>, Error> {
        let mut opened = rows(&self.connection, "credential", &self.seal, Credential::from_plain)
            .map_err(store_error("read", &self.path))?;
        opened.rows.sort_unstable_by(|a, b| {
            (&a.service, &a.username, a.id).cmp(&(&b.service, &b.username, b.id))
        });
        Ok(opened)
    }

    /// All grants as `parse` reads them; a grant that cannot be read is reported, never skipped.
    pub(crate) fn grants<T>(
        &self,
        parse: impl Fn(i64, &[u8]) -> Option<T>,
    ) -> Result<Opened<T>, Error> {
        rows(&self.connection, "grant_token", &self.seal, parse)
            .map_err(store_error("read", &self.path))
    }

    /// Asks SQLite whether the file is sound.
    pub(crate) fn check_file(&self) -> Result<(), Error> {
        let answer: String = self
            .connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .map_err(store_error("check", &self.path))?;
        if answer == "ok" { Ok(()) } else { Err(Error::Corrupt { path: self.path.clone() }) }
    }

    /// Runs `act` as one transaction; an error undoes all of it.
    pub(crate) fn change<T>(
        &mut self,
        act: impl FnOnce(&Change<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let failed = store_error("write", &self.path);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&failed)?;
        check_key(&transaction, &self.seal, &self.path)?;
        let change = Change::new(&self.path, transaction, &self.seal);
        let result = act(&change)?;
        change.commit().map_err(&failed)?;
        Ok(result)
    }

    /// Seals every row with another key, reads every row back, and only then commits.
    ///
    /// Returns the vault, now opened with the other key.
    pub(crate) fn reseal(mut self, other: Seal, now: Timestamp) -> Result<Self, Error> {
        let path = self.path.clone();
        let failed = store_error("write", &path);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&failed)?;
        check_key(&transaction, &self.seal, &path)?;
        for (table, id) in [("meta", "rowid"), ("credential", "id"), ("grant_token", "id")] {
            let tokens = tokens(&transaction, table, id).map_err(&failed)?;
            let mut write = transaction
                .prepare(&format!("UPDATE {table} SET token = ?2 WHERE {id} = ?1"))
                .map_err(&failed)?;
            for (id, token) in tokens {
                let plain = self
                    .seal
                    .open_text(&token)
                    .ok_or_else(|| Error::Undecryptable { path: path.clone(), ids: vec![id] })?;
                let sealed = other.close(plain.expose(), now);
                let is_equal = other.open_text(&sealed).is_some_and(|again| {
                    again.expose().trim_end_matches(' ') == plain.expose().trim_end_matches(' ')
                });
                if !is_equal {
                    return Err(Error::Corrupt { path: path.clone() });
                }
                write.execute(params![id, sealed]).map_err(&failed)?;
            }
        }
        transaction.commit().map_err(&failed)?;
        let vault = Self { seal: other, ..self };
        let broken = vault.credentials()?.broken;
        if !broken.is_empty() {
            return Err(Error::Undecryptable { path: vault.path.clone(), ids: broken });
        }
        Ok(vault)
    }

    /// Copies the vault, whole and consistent, into a new file that is to be known as `shown`.
    pub(crate) fn copy_to(&self, target: &Path, shown: &Path) -> Result<(), Error> {
        let failed = store_error("write", shown);
        let mut copy = open::connect(target)?;
        let backup = rusqlite::backup::Backup::new(&self.connection, &mut copy).map_err(&failed)?;
        backup.run_to_completion(1024, Duration::from_millis(5), None).map_err(&failed)
    }
}

fn meta_token(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    connection
        .query_row("SELECT token FROM meta WHERE name = ?1", [name], |row| row.get(0))
        .optional()
}

fn check_key(connection: &Connection, seal: &Seal, path: &Path) -> Result<(), Error> {
    let token = meta_token(connection, "check")
        .map_err(store_error("read", path))?
        .ok_or_else(|| Error::Corrupt { path: path.to_path_buf() })?;
    match seal.open_text(&token) {
        Some(text) if text.expose().trim_end() == CHECK => Ok(()),
        _ => Err(Error::WrongKey { path: path.to_path_buf() }),
    }
}

fn tokens(connection: &Connection, table: &str, id: &str) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut read = connection.prepare(&format!("SELECT {id}, token FROM {table}"))?;
    let rows = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn rows<T>(
    connection: &Connection,
    table: &str,
    seal: &Seal,
    parse: impl Fn(i64, &[u8]) -> Option<T>,
) -> rusqlite::Result<Opened<T>> {
    let mut read = connection.prepare(&format!("SELECT id, token FROM {table}"))?;
    let mut found = read.query([])?;
    let mut opened = Opened { rows: Vec::new(), broken: Vec::new() };
    while let Some(row) = found.next()? {
        let id: i64 = row.get(0)?;
        let token = row.get_ref(1)?.as_str()?;
        match seal.open(token).and_then(|plain| parse(id, &plain)) {
            Some(value) => opened.rows.push(value),
            None => opened.broken.push(id),
        }
    }
    Ok(opened)
}

/// Says what SQLite answered in the terms of the vault.
fn store_error(doing: &'static str, path: &Path) -> impl Fn(rusqlite::Error) -> Error + use<> {
    let path = path.to_path_buf();
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::Busy { path: path.clone() }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Corrupt { path: path.clone() }
        }
        _ => Error::Store { doing, path: path.clone(), source },
    }
}

#[cfg(test)]
mod tests;
