//! How a vault comes into being and is opened: whole or not at all, with its own key or not at all.

use std::io;
use std::path::{Path, PathBuf};

use common::clock::Timestamp;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use super::{BUSY_TIMEOUT, CHECK, Vault, check_key, schema, store_error};
use crate::error::Error;
use crate::home::check_private;
use crate::seal::{Seal, new_key};
use crate::secret::Secret;

impl Vault {
    /// Creates the vault: it appears whole or not at all, and only after `prepare`, which is given
    /// the key of the audit trail, has done what must be there before it.
    pub(crate) fn create(
        path: &Path,
        seal: Seal,
        now: Timestamp,
        prepare: impl FnOnce(&Secret) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let failed = |source| Error::from(common::error::file("create the vault", path)(source));
        let folder = path.parent().unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder).map_err(&failed)?;
        let mut vault =
            Self { path: file.path().to_path_buf(), connection: connect(file.path())?, seal };
        vault.fill(now)?;
        prepare(&vault.audit_key()?)?;
        let Self { connection, seal, .. } = vault;
        drop(connection);
        match file.persist_noclobber(path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::VaultExists { path: path.to_path_buf() });
            }
            Err(error) => return Err(failed(error.error)),
        }
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Self::open(path, seal)
    }

    /// Opens the vault with a key.
    pub(crate) fn open(path: &Path, seal: Seal) -> Result<Self, Error> {
        if !check_private(path)? {
            return Err(Error::NoVault { path: path.to_path_buf() });
        }
        // Without this an empty file would be a vault without credentials, and `verify` content.
        if path.metadata().is_ok_and(|found| found.len() == 0) {
            return Err(Error::Corrupt { path: path.to_path_buf() });
        }
        let mut vault = Self { path: path.to_path_buf(), connection: connect(path)?, seal };
        vault.migrate()?;
        vault.check_length()?;
        check_key(&vault.connection, &vault.seal, path)?;
        Ok(vault)
    }

    /// Makes an empty file a vault.
    fn fill(&mut self, now: Timestamp) -> Result<(), Error> {
        let failed = store_error("create", &self.path);
        let transaction = self.connection.transaction().map_err(&failed)?;
        migrate_from(&transaction, 0).map_err(&failed)?;
        for (name, value) in [("check", CHECK), ("audit_key", new_key().expose())] {
            transaction
                .execute(
                    "INSERT INTO meta (name, token) VALUES (?1, ?2)",
                    params![name, self.seal.close(value, now)],
                )
                .map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)
    }

    /// Brings a vault of an earlier release to the present schema; refuses what is no vault.
    fn migrate(&mut self) -> Result<(), Error> {
        let failed = store_error("open", &self.path);
        let (application, version) = marks(&self.connection).map_err(&failed)?;
        if application != schema::APPLICATION_ID || version < 1 {
            return Err(Error::Foreign { path: self.path.clone() });
        }
        let known = known_version();
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
        let (_, version) = marks(&transaction).map_err(&failed)?;
        migrate_from(&transaction, version).and_then(|()| transaction.commit()).map_err(&failed)
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
}

fn known_version() -> i64 {
    i64::try_from(schema::MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The marks in the head of the file: whose it is, and of which version.
fn marks(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let mark = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    Ok((mark("application_id")?, mark("user_version")?))
}

fn migrate_from(transaction: &Transaction<'_>, version: i64) -> rusqlite::Result<()> {
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    for migration in schema::MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known_version())
}

pub(super) fn connect(path: &Path) -> Result<Connection, Error> {
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
