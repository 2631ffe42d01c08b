//! Opens and migrates an SQLite file that many short-lived processes share.
//!
//! This is the only place with a PRAGMA. It knows no table: a caller brings its migrations.
//!
//! # Locking
//! Every write is one `BEGIN IMMEDIATE` transaction: a deferred one that reads first and writes
//! later fails at once under contention, whatever the timeout. Writers stand in line for it at
//! `<file>.init`, because SQLite's own busy handler starves processes when many wait. Creating and
//! migrating happen under a lock on that file, too, since the switch to WAL races otherwise.
//!
//! # Compatibility
//! `user_version` counts the migrations that were applied, and they only grow. A newer file is
//! refused with both numbers. `application_id` tells our files from those of other programs.
//!
//! # Durability
//! `synchronous=FULL`: what was promised to another process survives a power cut; what is only news
//! ([`Database::write_relaxed`]) does not wait for the disk. The checkpoint
//! is left to later writers (`NO_CKPT_ON_CLOSE`), because a process that opens and closes alone
//! would otherwise pay four to five fsyncs at its end; the WAL is kept short instead.
//!
//! # Filesystems
//! WAL needs shared memory, so the file must be on a local disk. Reading works on a read-only one.

mod busy;
mod name;
mod queue;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{Error, file};
use crate::place;

/// How long a process waits for another's write before it gives up with exit 4.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What identifies a kind of database file.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The number in the file's header that says whose file it is.
    pub application_id: i32,
    /// Append only: an entry's index is its version on every disk out there.
    pub migrations: &'static [&'static str],
}

impl Schema {
    fn version(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }
}

/// An open database, which knows its path for the sake of its error messages.
pub struct Database {
    connection: Connection,
    path: PathBuf,
    /// The file at which writers stand in line.
    side: PathBuf,
}

impl Database {
    /// Opens for reading and writing; creates and migrates the file where that is needed.
    pub fn open(path: &Path, schema: &Schema, busy_timeout: Duration) -> Result<Self, Error> {
        name::check_scheme(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if is_there(path)? {
            let mut database = Self::connect(path, flags, busy_timeout)?;
            if database.version(schema)? == schema.version() {
                database.configure()?;
                return Ok(database);
            }
        } else if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            place::private_dir(folder)?;
        }
        Self::create(path, schema, flags, busy_timeout)
    }

    /// Opens for reading only, also on a read-only file system; an absent file is created first.
    pub fn open_read_only(
        path: &Path,
        schema: &Schema,
        busy_timeout: Duration,
    ) -> Result<Self, Error> {
        name::check_scheme(path)?;
        if !is_there(path)? {
            return Self::open(path, schema, busy_timeout);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Self::connect(path, flags, busy_timeout)?;
        let version = match database.version(schema) {
            Err(Error::Database { source, .. }) if may_be_immutable(path, &source) => {
                return Self::open_immutable(path, schema, busy_timeout);
            }
            version => version?,
        };
        if version == schema.version() {
            Ok(database)
        } else {
            Self::open(path, schema, busy_timeout)
        }
    }

    /// A file without a WAL on a file system that cannot have one: nobody can be writing to it.
    fn open_immutable(path: &Path, schema: &Schema, busy_timeout: Duration) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let uri = name::immutable_uri(path).map_err(file("find", path))?;
        let mut database = Self::connect(Path::new(&uri), flags, busy_timeout)?;
        path.clone_into(&mut database.path);
        database.version(schema)?;
        Ok(database)
    }

    fn connect(path: &Path, flags: OpenFlags, busy_timeout: Duration) -> Result<Self, Error> {
        busy::wait_up_to(busy_timeout);
        let failed = error("open", path);
        let is_uri = flags.contains(OpenFlags::SQLITE_OPEN_URI);
        let name = if is_uri { path.to_path_buf() } else { name::literal(path) };
        let opened = Connection::open_with_flags(name, flags).and_then(|mut connection| {
            connection.busy_handler(Some(busy::wait_a_little)).map(|()| connection)
        });
        // Absolute, because the process may go elsewhere before it writes.
        let side =
            queue::side_file(&std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()));
        Ok(Self { connection: opened.map_err(failed)?, path: path.to_path_buf(), side })
    }

    /// Settings of a connection that writes; none of them touches the disk.
    fn configure(&mut self) -> Result<(), Error> {
        let connection = &self.connection;
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .and_then(|_| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true))
            .and_then(|_| {
                connection.execute_batch("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=128;")
            })
            .map_err(error("open", &self.path))
    }

    /// The number of migrations that the file has.
    fn version(&self, schema: &Schema) -> Result<i64, Error> {
        let failed = error("open", &self.path);
        let (found, owner): (i64, i32) = self
            .connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .and_then(|found| {
                Ok((
                    found,
                    self.connection.pragma_query_value(None, "application_id", |row| row.get(0))?,
                ))
            })
            .map_err(failed)?;
        // A file that is nobody's yet may be in the making; `create` looks again under its lock.
        if owner != schema.application_id && (owner, found) != (0, 0) || found < 0 {
            return Err(Error::Foreign { path: self.path.clone() });
        }
        if found > schema.version() {
            return Err(Error::Newer { path: self.path.clone(), found, known: schema.version() });
        }
        Ok(found)
    }

    fn has_tables(&self) -> Result<bool, Error> {
        self.connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
            .map(|n_tables| n_tables > 0)
            .map_err(error("open", &self.path))
    }

    fn create(
        path: &Path,
        schema: &Schema,
        flags: OpenFlags,
        busy_timeout: Duration,
    ) -> Result<Self, Error> {
        let _turn = queue::turn_to_create(path, busy_timeout)?;
        // SQLite would create the file with the umask's mode; its WAL files take the mode of this one.
        match place::private_file(path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(Error::File {
                    doing: "create the database",
                    path: path.to_path_buf(),
                    source,
                });
            }
        }
        if is_cut_short(path) {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
            let source = rusqlite::Error::SqliteFailure(code, None);
            return Err(Error::Database { doing: "open", path: path.to_path_buf(), source });
        }
        let mut database = Self::connect(path, flags, busy_timeout)?;
        let found = database.version(schema)?;
        if found == 0 && database.has_tables()? {
            return Err(Error::Foreign { path: path.to_path_buf() });
        }
        if found < schema.version() {
            database.migrate(schema, found)?;
        }
        database.configure()?;
        Ok(database)
    }

    fn migrate(&mut self, schema: &Schema, found: i64) -> Result<(), Error> {
        let failed = error("migrate", &self.path);
        let apply = |connection: &mut Connection| {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for migration in schema.migrations.iter().skip(usize::try_from(found).unwrap_or(0)) {
                transaction.execute_batch(migration)?;
            }
            transaction.pragma_update(None, "application_id", schema.application_id)?;
            transaction.pragma_update(None, "user_version", schema.version())?;
            transaction.commit()
        };
        apply(&mut self.connection).map_err(failed)
    }

    /// Changes how long this thread waits for another's write.
    pub fn wait_up_to(&self, busy_timeout: Duration) {
        busy::wait_up_to(busy_timeout);
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads; `doing` completes "cannot … the database PATH" when that fails.
    pub fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        query(&self.connection).map_err(error(doing, &self.path))
    }

    /// Checks and writes in one transaction. What `change` returns is committed, "no" included.
    pub fn write<T>(
        &mut self,
        doing: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let failed = error(doing, &self.path);
        let since = Instant::now();
        // What is left of the timeout is for SQLite's own lock.
        let turn = queue::turn_to_write(&self.side, busy::timeout() / 4 * 3);
        let apply = |connection: &mut Connection| {
            let transaction = busy::begin(connection, since)?;
            // The next one comes up meanwhile, and SQLite's lock keeps it out.
            drop(turn);
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        apply(&mut self.connection).map_err(failed)
    }

    /// As [`Database::write`], without waiting for the disk: for what is repeated or told again, as a
    /// heartbeat or the start of a run. It survives the death of every process, not a power cut.
    pub fn write_relaxed<T>(
        &mut self,
        doing: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.set_synchronous("NORMAL")?;
        let written = self.write(doing, change);
        self.set_synchronous("FULL")?;
        written
    }

    fn set_synchronous(&self, level: &str) -> Result<(), Error> {
        self.connection
            .execute_batch(&format!("PRAGMA synchronous={level}"))
            .map_err(error("open", &self.path))
    }

    /// What SQLite finds wrong with the file; empty when it is whole.
    pub fn damage(&self) -> Result<Vec<String>, Error> {
        damage(&self.connection).map_err(error("check", &self.path))
    }

    /// Copies the database as it stands at one moment into an empty file, while others go on writing.
    /// Returns what is wrong with the copy; nothing when it is whole.
    pub fn copy_to(&self, path: &Path) -> Result<Vec<String>, Error> {
        let copy = || {
            let mut copy = Connection::open(path)?;
            // All pages in one step: a copy in several would start again with each write of another process.
            let backup = Backup::new(&self.connection, &mut copy)?;
            backup.run_to_completion(i32::MAX, Duration::ZERO, None)?;
            drop(backup);
            damage(&copy)
        };
        copy().map_err(error("copy", &self.path))
    }

    /// The connection itself, for what has no transaction of ours: a test that holds a lock.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// What SQLite finds wrong with a database; empty when it is whole.
fn damage(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let lines: Vec<String> = connection
        .prepare("SELECT integrity_check FROM pragma_integrity_check LIMIT 20")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut damage: Vec<String> = lines.into_iter().filter(|line| line != "ok").collect();
    let n_orphans: i64 =
        connection
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    if n_orphans > 0 {
        damage.push(format!("{n_orphans} rows refer to rows that are not there"));
    }
    Ok(damage)
}

/// Whether there is something that can be a database; SQLite calls a directory an I/O error.
fn is_there(path: &Path) -> Result<bool, Error> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(file("open the database", path)(io::Error::from_raw_os_error(libc::EISDIR)))
        }
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(file("open the database", path)(error)),
    }
}

/// Whether the file holds less than its first page: SQLite would take it for an empty database.
fn is_cut_short(path: &Path) -> bool {
    const PAGE: u64 = 4096;
    fs::metadata(path).is_ok_and(|file| file.is_file() && (1..PAGE).contains(&file.len()))
}

/// Whether `source` says that the WAL's files could not be made, and there is nothing in a WAL.
fn may_be_immutable(path: &Path, source: &rusqlite::Error) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    matches!(source.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
        && fs::metadata(wal).map_or(true, |wal| wal.len() == 0)
}

/// Adds "cannot DOING the database PATH" to an error of SQLite; busy becomes its own error.
pub fn error(doing: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Error + use<> {
    let path = path.to_path_buf();
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::Busy { path, source: source.into() }
        }
        _ => Error::Database { doing, path, source: without_statement(source) },
    }
}

/// An error as SQLite says it; the text of a statement, which can be pages long, tells nobody what to do.
fn without_statement(source: rusqlite::Error) -> rusqlite::Error {
    match source {
        rusqlite::Error::SqlInputError { error, msg, .. } => {
            rusqlite::Error::SqliteFailure(error, Some(msg))
        }
        other => other,
    }
}

/// The next step after an error of SQLite.
pub(crate) fn hint(source: &rusqlite::Error) -> Option<String> {
    let hint = match source.sqlite_error_code()? {
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt => {
            "nothing was changed; move the file away, keep it, and restore a backup"
        }
        ErrorCode::DiskFull => "free some space and run the command again",
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            "check that the path is a file that this user may write, in a directory that this user may write"
        }
        ErrorCode::SystemIoFailure => "check the disk and its free space",
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(test)]
mod tests;
