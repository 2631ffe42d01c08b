//! Opening, migrating and sharing a file, with real processes left to the tools' own tests.

use super::*;
use crate::Exit;
use crate::report::Explain as _;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

pub(super) const ONE: Schema = Schema {
    application_id: 7,
    migrations: &["CREATE TABLE entry (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT"],
};
pub(super) const TWO: Schema = Schema {
    application_id: 7,
    migrations: &[
        "CREATE TABLE entry (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT",
        "ALTER TABLE entry ADD COLUMN note TEXT",
    ],
};

fn open(path: &Path, schema: &Schema) -> Result<Database, Error> {
    Database::open(path, schema, Duration::from_millis(200))
}

#[test]
fn a_new_database_is_private_together_with_its_wal_and_its_directory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/state.db");
    let mut database = open(&path, &ONE).unwrap();
    database.write("write", |tx| tx.execute("INSERT INTO entry VALUES ('a', 1)", [])).unwrap();
    for name in
        ["deep", "deep/state.db", "deep/state.db-wal", "deep/state.db-shm", "deep/state.db.init"]
    {
        let path = folder.path().join(name);
        assert_eq!(place::looser_than_private(&path).unwrap(), None, "{name}");
    }
}

#[test]
fn an_older_file_is_migrated_and_keeps_its_rows_and_a_newer_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut old = open(&path, &ONE).unwrap();
    old.write("write", |tx| tx.execute("INSERT INTO entry VALUES ('a', 1)", [])).unwrap();
    drop(old);
    let new = open(&path, &TWO).unwrap();
    let value: i64 = new
        .read("read", |c| {
            c.query_row("SELECT value FROM entry WHERE note IS NULL", [], |r| r.get(0))
        })
        .unwrap();
    assert_eq!(value, 1);
    let refused = open(&path, &ONE).err().unwrap();
    assert!(matches!(refused, Error::Newer { found: 2, known: 1, .. }));
    assert_eq!(refused.exit(), Exit::Failed);
}

#[test]
fn a_database_of_another_program_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE agents (id TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(open(&path, &ONE).err().unwrap(), Error::Foreign { .. }));
    assert_eq!(fs::read(&path).unwrap(), before);
    let ours = folder.path().join("ours.db");
    drop(open(&ours, &ONE).unwrap());
    Connection::open(&ours).unwrap().execute_batch("PRAGMA user_version = -1").unwrap();
    assert!(matches!(open(&ours, &ONE).err().unwrap(), Error::Foreign { .. }));
}

#[test]
fn an_error_does_not_repeat_the_statement() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("state.db"), &ONE).unwrap();
    let wrong = "SELECT a_column_of_nobody FROM entry";
    let error = database.read("read", |c| c.query_row(wrong, [], |_| Ok(()))).unwrap_err();
    let said = crate::report::Report::of::<Error>(&error.into()).message;
    assert!(said.contains("no such column") && !said.contains("SELECT"), "{said}");
}

#[test]
fn what_is_no_database_is_an_error_that_somebody_must_fix() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    fs::copy("/etc/passwd", &text).unwrap();
    let looped = folder.path().join("loop");
    std::os::unix::fs::symlink(&looped, &looped).unwrap();
    for path in [text.as_path(), folder.path(), &looped] {
        let error = open(path, &ONE).err().unwrap();
        assert_eq!(error.exit(), Exit::Failed, "{error}");
        assert!(Database::open_read_only(path, &ONE, Duration::ZERO).is_err());
    }
    let url = open(Path::new("postgres://me:secret@db/x"), &ONE).err().unwrap();
    assert!(!url.to_string().contains("secret"));
}

#[test]
fn a_lock_that_does_not_end_is_busy_after_the_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let holder = open(&path, &ONE).unwrap();
    holder.connection().execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut second = open(&path, &ONE).unwrap();
    let error = second.write("write", |tx| tx.execute("DELETE FROM entry", [])).unwrap_err();
    assert_eq!(error.exit(), Exit::Again);
}

#[test]
fn a_read_only_copy_without_a_wal_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut database = open(&path, &ONE).unwrap();
    database.write("write", |tx| tx.execute("INSERT INTO entry VALUES ('a', 1)", [])).unwrap();
    database.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(database);
    let copy = folder.path().join("read-only?#%");
    fs::create_dir(&copy).unwrap();
    fs::copy(&path, copy.join("state.db")).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o500)).unwrap();
    let count = |database: &Database| {
        database
            .read("read", |c| c.query_row("SELECT count(*) FROM entry", [], |r| r.get::<_, i64>(0)))
            .unwrap()
    };
    let database = Database::open_read_only(&copy.join("state.db"), &ONE, Duration::ZERO).unwrap();
    assert_eq!(count(&database), 1);
    // Root may write anywhere, so the branch for read-only disks is also asked directly.
    assert_eq!(
        count(&Database::open_immutable(&copy.join("state.db"), &ONE, Duration::ZERO).unwrap()),
        1
    );
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn threads_that_create_and_write_at_once_all_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    thread::scope(|scope| {
        for n in 0..16 {
            let path = &path;
            scope.spawn(move || {
                let mut database = Database::open(path, &TWO, BUSY_TIMEOUT).unwrap();
                database
                    .write("write", |tx| {
                        tx.execute("INSERT INTO entry VALUES (?1, 1, NULL)", [n.to_string()])
                    })
                    .unwrap();
            });
        }
    });
    let database = open(&path, &TWO).unwrap();
    let n_rows: i64 = database
        .read("read", |c| c.query_row("SELECT count(*) FROM entry", [], |r| r.get(0)))
        .unwrap();
    assert_eq!(n_rows, 16);
}

#[test]
fn a_relaxed_write_is_committed_and_the_next_one_waits_for_the_disk_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let mut database = open(&path, &ONE).unwrap();
    let synchronous = |database: &Database| -> i64 {
        database.connection().pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap()
    };
    database
        .write_relaxed("write", |tx| {
            let inside: i64 = tx.pragma_query_value(None, "synchronous", |row| row.get(0))?;
            assert_eq!(inside, 1);
            tx.execute("INSERT INTO entry VALUES ('a', 1)", [])
        })
        .unwrap();
    assert_eq!(synchronous(&database), 2);
    let refused =
        database.write_relaxed("write", |tx| tx.execute("INSERT INTO entry VALUES ('a', 1)", []));
    assert!(refused.is_err());
    assert_eq!(synchronous(&database), 2, "also after a failure");
    let n_rows: i64 = open(&path, &ONE)
        .unwrap()
        .read("read", |c| c.query_row("SELECT count(*) FROM entry", [], |r| r.get(0)))
        .unwrap();
    assert_eq!(n_rows, 1);
}

#[test]
fn a_database_that_was_cut_short_is_not_taken_for_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(open(&path, &ONE).unwrap());
    // A write-ahead log that is complete would heal it.
    for log in ["state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(log));
    }
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for n_bytes in [2000, 10] {
        file.set_len(n_bytes).unwrap();
        assert_eq!(open(&path, &ONE).err().unwrap().exit(), Exit::Failed);
        assert_eq!(file.metadata().unwrap().len(), n_bytes);
    }
}
