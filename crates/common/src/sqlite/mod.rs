//! Opens and migrates an SQLite file that many short-lived processes share.
//!
//! This is the only place with a PRAGMA. It knows no table: a caller brings its migrations.
//!
//! # Locking
//! Every write is one `BEGIN IMMEDIATE` transaction: a deferred one that reads first and writes
//! later fails at once under contention, whatever the timeout. Waiting is jittered and capped at a
//! few milliseconds, because SQLite's own busy handler starves processes when many wait. Creating
//! and migrating happen under a lock on `<file>.init`, since the switch to WAL races otherwise.
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

mod name;

use std::cell::Cell;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

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
}

impl Database {
    /// Opens for reading and writing; creates and migrates the file where that is needed.
    pub fn open(path: &Path, schema: &Schema, busy_timeout: Duration) -> Result<Self, Error> {
        name::check_scheme(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if path.exists() {
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
        if !path.exists() {
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
        TIMEOUT.set(busy_timeout);
        let failed = error("open", path);
        let is_uri = flags.contains(OpenFlags::SQLITE_OPEN_URI);
        let name = if is_uri { path.to_path_buf() } else { name::literal(path) };
        let opened = Connection::open_with_flags(name, flags).and_then(|mut connection| {
            connection.busy_handler(Some(wait_a_little)).map(|()| connection)
        });
        Ok(Self { connection: opened.map_err(failed)?, path: path.to_path_buf() })
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
        if owner != schema.application_id && (owner, found) != (0, 0) {
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
        let _turn = turn_to_create(path, busy_timeout)?;
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
        TIMEOUT.set(busy_timeout);
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
        let apply = |connection: &mut Connection| {
            let transaction = begin(connection)?;
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

    /// The connection itself, for what has no transaction of ours: backup, integrity check.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Begins a write, again when SQLite says that a retry is all that it needs.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    let until = Instant::now().checked_add(TIMEOUT.get());
    loop {
        match Transaction::new_unchecked(connection, TransactionBehavior::Immediate) {
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if matches!(failure.extended_code, SQLITE_BUSY_RECOVERY | SQLITE_BUSY_SNAPSHOT)
                    && until.is_none_or(|until| Instant::now() < until) =>
            {
                thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

const SQLITE_BUSY_RECOVERY: i32 = 261;
const SQLITE_BUSY_SNAPSHOT: i32 = 517;

/// Holds the lock under which a database is created; it ends with the returned file.
///
/// The lock file is never unlinked: a waiter may already hold its inode. Whoever creates may have been
/// stopped, so the wait ends at the busy timeout, too.
fn turn_to_create(path: &Path, busy_timeout: Duration) -> Result<File, Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".init");
    let lock_path = PathBuf::from(name);
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&lock_path)
        .map_err(file("create the lock file", &lock_path))?;
    let until = Instant::now().checked_add(busy_timeout);
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(source)) => return Err(file("lock", &lock_path)(source)),
            Err(TryLockError::WouldBlock) if until.is_some_and(|until| Instant::now() >= until) => {
                let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                let why = "another process is creating it".to_owned();
                let source = rusqlite::Error::SqliteFailure(busy, Some(why));
                return Err(Error::Busy { path: path.to_path_buf(), source });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(2)),
        }
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

thread_local! {
    // SQLite calls the handler on the thread that uses the connection, which here is the one that opened it.
    static TIMEOUT: Cell<Duration> = const { Cell::new(BUSY_TIMEOUT) };
    static WAITING_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The busy handler: sleeps a jittered moment, gives up at the busy timeout.
///
/// Measured with 16 writers: the tail (p99) falls from 34 to 7 ms against SQLite's own handler. The cap grows
/// after 50 ms, so that dozens of long waiters do not spend the machine on waking up.
fn wait_a_little(attempt: i32) -> bool {
    let now = Instant::now();
    let since = match WAITING_SINCE.get() {
        Some(since) if attempt > 0 => since,
        _ => {
            WAITING_SINCE.set(Some(now));
            now
        }
    };
    let waited = now.duration_since(since);
    if waited >= TIMEOUT.get() {
        return false;
    }
    let cap = if waited < Duration::from_millis(50) { 2000 } else { 8000 };
    let step = (500_u64 << attempt.clamp(0, 6)).min(cap);
    // The low bits of a monotonic clock are jitter enough; nothing here needs to be unpredictable.
    let jitter = u64::from(now.elapsed().subsec_nanos())
        ^ u64::from(waited.subsec_nanos())
        ^ u64::from(std::process::id());
    let micros = step / 8 + jitter.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (step - step / 8);
    thread::sleep(Duration::from_micros(micros));
    true
}

/// Adds "cannot DOING the database PATH" to an error of SQLite; busy becomes its own error.
pub fn error(doing: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Error + use<> {
    let path = path.to_path_buf();
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy { path, source },
        _ => Error::Database { doing, path, source },
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
