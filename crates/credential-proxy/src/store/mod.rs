//! The vault: one SQLite file whose every row is a sealed token. The only module with SQL.
//!
//! # Locking
//! Every change is one `BEGIN IMMEDIATE` transaction that first makes sure that the vault is still
//! sealed with the key at hand, since a rotation may have come in between.
//!
//! # Durability
//! A rollback journal and full synchronization: the vault is one file at rest, and deleted tokens
//! are overwritten.

pub(crate) mod foreign;
mod schema;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::clock::Timestamp;
use common::place;
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior,
    params,
};

use crate::credential::Credential;
use crate::error::Error;
use crate::home::check_private;
use crate::seal::{Seal, new_key};
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

/// A change of the vault: all of it happens, or nothing.
pub(crate) struct Change<'a> {
    path: &'a Path,
    transaction: Transaction<'a>,
    seal: &'a Seal,
}

/// The rows of a table that could be opened, and the ids of those that could not.
pub(crate) struct Opened<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) broken: Vec<i64>,
}

impl Vault {
    /// Creates the vault; the file must not be there.
    pub(crate) fn create(path: &Path, seal: Seal, now: Timestamp) -> Result<Self, Error> {
        drop(place::private_file(path).map_err(common::error::file("create the vault", path))?);
        let mut vault = Self { path: path.to_path_buf(), connection: connect(path)?, seal };
        vault.migrate(now)?;
        Ok(vault)
    }

    /// Opens the vault with a key. A file that a killed `init` left empty is completed.
    pub(crate) fn open(path: &Path, seal: Seal, now: Timestamp) -> Result<Self, Error> {
        if !check_private(path)? {
            return Err(Error::NoVault { path: path.to_path_buf() });
        }
        let mut vault = Self { path: path.to_path_buf(), connection: connect(path)?, seal };
        vault.migrate(now)?;
        vault.check_length()?;
        check_key(&vault.connection, &vault.seal, path)?;
        Ok(vault)
    }

    fn migrate(&mut self, now: Timestamp) -> Result<(), Error> {
        let failed = store_error("open", &self.path);
        let read = |connection: &Connection| -> rusqlite::Result<(i64, i64)> {
            Ok((
                connection.query_row("PRAGMA application_id", [], |row| row.get(0))?,
                connection.query_row("PRAGMA user_version", [], |row| row.get(0))?,
            ))
        };
        let known = i64::try_from(schema::MIGRATIONS.len()).unwrap_or(i64::MAX);
        let (application, version) = read(&self.connection).map_err(&failed)?;
        if application != schema::APPLICATION_ID
            && (application != 0 || version != 0 || !self.is_empty().map_err(&failed)?)
        {
            return Err(Error::Foreign { path: self.path.clone() });
        }
        if version > known {
            return Err(Error::Newer { path: self.path.clone(), found: version, known });
        }
        if version == known {
            return Ok(());
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&failed)?;
        // Somebody else may have done it while we waited for the lock.
        let (_, version) = read(&transaction).map_err(&failed)?;
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        for migration in schema::MIGRATIONS.iter().skip(done) {
            transaction.execute_batch(migration).map_err(&failed)?;
        }
        if version == 0 {
            for (name, value) in [("check", CHECK), ("audit_key", new_key().expose())] {
                transaction
                    .execute(
                        "INSERT INTO meta (name, token) VALUES (?1, ?2)",
                        params![name, self.seal.close(value, now)],
                    )
                    .map_err(&failed)?;
            }
        }
        transaction
            .pragma_update(None, "application_id", schema::APPLICATION_ID)
            .and_then(|()| transaction.pragma_update(None, "user_version", known))
            .and_then(|()| transaction.commit())
            .map_err(&failed)
    }

    /// A file that lost its end is damaged even where no page of interest was in that end.
    fn check_length(&self) -> Result<(), Error> {
        let failed = store_error("open", &self.path);
        let pragma =
            |name: &str| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let expected =
            pragma("page_size").map_err(&failed)? * pragma("page_count").map_err(&failed)?;
        let found = self.path.metadata().map_err(common::error::file("look at", &self.path))?.len();
        if i64::try_from(found).unwrap_or(i64::MAX) < expected {
            return Err(Error::Corrupt { path: self.path.clone() });
        }
        Ok(())
    }

    fn is_empty(&self) -> rusqlite::Result<bool> {
        let n_tables: i64 =
            self.connection
                .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        Ok(n_tables == 0)
    }

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
        let change = Change { path: &self.path, transaction, seal: &self.seal };
        let result = act(&change)?;
        change.transaction.commit().map_err(&failed)?;
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

    /// Copies the vault, whole and consistent, into a new file.
    pub(crate) fn copy_to(&self, target: &Path) -> Result<(), Error> {
        let failed = store_error("write", target);
        let mut copy = connect(target)?;
        let backup = rusqlite::backup::Backup::new(&self.connection, &mut copy).map_err(&failed)?;
        backup.run_to_completion(1024, Duration::from_millis(5), None).map_err(&failed)
    }
}

impl Change<'_> {
    /// All credentials as this transaction sees them.
    pub(crate) fn credentials(&self) -> Result<Vec<Credential>, Error> {
        let opened = rows(&self.transaction, "credential", self.seal, Credential::from_plain)
            .map_err(store_error("read", self.path))?;
        if opened.broken.is_empty() {
            Ok(opened.rows)
        } else {
            Err(Error::Undecryptable { path: self.path.to_path_buf(), ids: opened.broken })
        }
    }

    /// Stores a new credential and returns its id.
    pub(crate) fn insert(&self, credential: &Credential) -> Result<i64, Error> {
        let token = self.seal.close(credential.to_plain().expose(), credential.updated_at);
        self.transaction
            .prepare("INSERT INTO credential (token, changed_at) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.insert(params![token, credential.updated_at.0]))
            .map_err(store_error("write", self.path))
    }

    /// Stores a changed credential in its row.
    pub(crate) fn update(&self, credential: &Credential) -> Result<(), Error> {
        let token = self.seal.close(credential.to_plain().expose(), credential.updated_at);
        self.transaction
            .prepare("UPDATE credential SET token = ?2, changed_at = ?3 WHERE id = ?1")
            .and_then(|mut update| {
                update.execute(params![credential.id, token, credential.updated_at.0])
            })
            .map(|_| ())
            .map_err(store_error("write", self.path))
    }

    pub(crate) fn delete(&self, id: i64) -> Result<(), Error> {
        self.transaction
            .execute("DELETE FROM credential WHERE id = ?1", [id])
            .map(|_| ())
            .map_err(store_error("write", self.path))
    }

    /// Stores a grant, whose text is `plain`.
    pub(crate) fn insert_grant(&self, plain: &str, now: Timestamp) -> Result<i64, Error> {
        self.transaction
            .prepare("INSERT INTO grant_token (token, changed_at) VALUES (?1, ?2)")
            .and_then(|mut insert| insert.insert(params![self.seal.close(plain, now), now.0]))
            .map_err(store_error("write", self.path))
    }

    pub(crate) fn delete_grant(&self, id: i64) -> Result<(), Error> {
        self.transaction
            .execute("DELETE FROM grant_token WHERE id = ?1", [id])
            .map(|_| ())
            .map_err(store_error("write", self.path))
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let failed = store_error("open", path);
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // Reading needs write access, too: a journal that a killed process left is rolled back first.
    let connection =
        Connection::open_with_flags(resolved(path), flags | OpenFlags::SQLITE_OPEN_READ_WRITE)
            .or_else(|_| {
                Connection::open_with_flags(
                    resolved(path),
                    flags | OpenFlags::SQLITE_OPEN_READ_ONLY,
                )
            })
            .map_err(&failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(&failed)?;
    // What is deleted must not be found in the free pages of the file.
    connection.pragma_update(None, "secure_delete", true).map_err(&failed)?;
    // Full: a new password that was acknowledged survives a power cut.
    connection.pragma_update(None, "synchronous", "EXTRA").map_err(&failed)?;
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(&failed)?;
    Ok(connection)
}

/// SQLite refuses a link anywhere in the path when told not to follow one; only the file itself matters.
fn resolved(path: &Path) -> PathBuf {
    match (path.parent().and_then(|folder| folder.canonicalize().ok()), path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.to_path_buf(),
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
