//! Real processes that create, write and die at once, and paths that mean something else elsewhere.
//!
//! The test binary is run again with `ROLE` set, and [`role`] plays a process of a tool.

use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread;

use super::tests::{ONE, TWO};
use super::*;
use crate::Exit;
use crate::report::Explain as _;
use crate::{environment, turn};

const ROLE: &str = "COMMON_TEST_DATABASE_ROLE";
/// What each of many writers writes, opening the file anew for each.
const N_WRITES: i64 = 30;
const FILE: &str = "COMMON_TEST_DATABASE";

fn process(role: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "sqlite::hostile::role", "--nocapture"])
        .env(ROLE, role)
        .env(FILE, path)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

/// Not a test: what the processes of the other tests do.
#[test]
fn role() {
    let Some(role) = environment::text(ROLE) else { return };
    let path = PathBuf::from(environment::os(FILE).unwrap());
    let insert = |database: &mut Database, key: String| {
        database
            .write("write", |tx| tx.execute("INSERT INTO entry VALUES (?1, 1, NULL)", [key]))
            .unwrap();
    };
    let me = std::process::id();
    match role.as_str() {
        "first" => {
            let mut database = Database::open(&path, &TWO, BUSY_TIMEOUT).unwrap();
            insert(&mut database, me.to_string());
        }
        "writer" => {
            for n in 0..N_WRITES {
                let mut database = Database::open(&path, &TWO, BUSY_TIMEOUT).unwrap();
                insert(&mut database, format!("{me}-{n}"));
            }
        }
        "endless" => {
            let mut database = Database::open(&path, &TWO, BUSY_TIMEOUT).unwrap();
            for n in 0.. {
                insert(&mut database, format!("{me}-{n}"));
                // What was promised is told only after the commit, and whole: stderr has no buffer.
                io::stderr().write_all(format!("{me}-{n}\n").as_bytes()).unwrap();
            }
        }
        other => panic!("no role {other}"),
    }
}

fn start(role: &str, path: &Path, n_processes: usize) -> Vec<Child> {
    (0..n_processes).map(|_| process(role, path).spawn().unwrap()).collect()
}

fn n_rows(path: &Path) -> i64 {
    let database = Database::open(path, &TWO, BUSY_TIMEOUT).unwrap();
    let found: String =
        database.connection().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
    database
        .read("read", |c| c.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)))
        .unwrap()
}

#[test]
fn first_runs_of_64_processes_all_succeed() {
    let _turn = turn::beside_others();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/state.db");
    for child in &mut start("first", &path, 64) {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(n_rows(&path), 64);
}

#[test]
fn processes_that_migrate_at_once_all_succeed() {
    let _turn = turn::beside_others();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(Database::open(&path, &ONE, BUSY_TIMEOUT).unwrap());
    for child in &mut start("first", &path, 16) {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(n_rows(&path), 16);
}

#[test]
fn writers_of_16_processes_are_never_told_that_it_is_busy() {
    let _turn = turn::beside_others();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    for child in &mut start("writer", &path, 16) {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(n_rows(&path), 16 * N_WRITES);
}

#[test]
fn a_kill_at_any_moment_of_creating_leaves_a_file_that_opens() {
    let _turn = turn::beside_others();
    let folder = tempfile::tempdir().unwrap();
    for n_steps in 0..25_u64 {
        let path = folder.path().join(format!("{n_steps}/state.db"));
        let mut child = process("first", &path).spawn().unwrap();
        thread::sleep(Duration::from_micros(500 + n_steps * 320));
        let _ = child.kill();
        child.wait().unwrap();
        assert!(n_rows(&path) <= 1);
    }
}

#[test]
fn what_killed_writers_had_committed_is_there() {
    let _turn = turn::beside_others();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    for n_steps in 0..8_u64 {
        let mut children: Vec<Child> = (0..3)
            .map(|_| process("endless", &path).stderr(Stdio::piped()).spawn().unwrap())
            .collect();
        thread::sleep(Duration::from_millis(15 + n_steps * 5));
        for child in &mut children {
            let _ = child.kill();
        }
        n_rows(&path);
        let database = Database::open(&path, &TWO, BUSY_TIMEOUT).unwrap();
        for mut child in children {
            child.wait().unwrap();
            for key in io::BufReader::new(child.stderr.take().unwrap()).lines() {
                let key = key.unwrap();
                let n_found: i64 = database
                    .read("read", |c| {
                        c.query_row("SELECT count(*) FROM entry WHERE key = ?1", [&key], |r| {
                            r.get(0)
                        })
                    })
                    .unwrap();
                assert_eq!(n_found, 1, "{key}");
            }
        }
    }
}

#[test]
fn a_path_is_only_a_path_whatever_it_looks_like() {
    let _turn = turn::beside_others();
    let folder = tempfile::tempdir().unwrap();
    for name in
        [":memory:", "file:state.db?mode=memory", "file:state.db", "a?b", "a#b", "a%41b", "-x", " "]
    {
        for _ in 0..2 {
            let status = process("first", Path::new(name)).current_dir(&folder).status().unwrap();
            assert!(status.success(), "{name}");
        }
        assert_eq!(n_rows(&folder.path().join(name)), 2, "{name}");
    }
    let n_files = fs::read_dir(&folder).unwrap().count();
    assert_eq!(n_files, 8 * 4, "each has its WAL, its shared memory and its lock");
}

#[test]
fn a_read_only_copy_is_found_under_any_name() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let database = Database::open(&path, &ONE, BUSY_TIMEOUT).unwrap();
    database.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(database);
    for name in [&b"plain"[..], b"b\xff\xfe", b"a%41?mode=rw#x", b"\xc3\xbc"] {
        let copy = folder.path().join(std::ffi::OsStr::from_bytes(name));
        fs::copy(&path, &copy).unwrap();
        let opened = Database::open_immutable(&copy, &ONE, Duration::ZERO);
        assert!(opened.is_ok_and(|database| database.path() == copy), "{name:?}");
    }
}

#[test]
fn a_creator_that_was_stopped_makes_the_others_busy_and_does_not_hold_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let _stopped = queue::turn_to_create(&path, Duration::ZERO).unwrap();
    let error = Database::open(&path, &ONE, Duration::from_millis(100)).err().unwrap();
    assert_eq!(error.exit(), Exit::Again, "{error}");
}

#[test]
fn an_empty_file_becomes_a_database_and_a_dangling_link_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    File::create(&empty).unwrap();
    assert_eq!(n_rows(&empty), 0);
    let (link, target) = (folder.path().join("link"), folder.path().join("target"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert!(Database::open(&link, &ONE, Duration::ZERO).is_err());
    assert!(!target.exists());
    fs::rename(&empty, &target).unwrap();
    assert_eq!(n_rows(&link), 0, "a link to a database is followed");
}

/// How many numbers were drawn at the line of `path`.
fn n_drawn(path: &Path) -> i64 {
    let bytes = fs::read(queue::side_file(path)).unwrap_or_default();
    bytes.try_into().map_or(0, i64::from_le_bytes)
}

fn wait_until_drawn(path: &Path, n_numbers: i64) {
    let until = Instant::now() + Duration::from_secs(30);
    while n_drawn(path) < n_numbers {
        assert!(Instant::now() < until, "nobody came into the line");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn writers_come_in_the_order_of_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let side = queue::side_file(&path);
    let first = queue::turn_to_write(&side, BUSY_TIMEOUT).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        for n in 0..10 {
            let (side, sender) = (&side, sender.clone());
            scope.spawn(move || {
                let turn = queue::turn_to_write(side, BUSY_TIMEOUT * 12).unwrap();
                sender.send(n).unwrap();
                drop(turn);
            });
            wait_until_drawn(&path, n + 2);
        }
        assert!(receiver.try_recv().is_err(), "nobody overtakes the first");
        drop(first);
        let order: Vec<i64> = (0..10).map(|_| receiver.recv().unwrap()).collect();
        assert_eq!(order, (0..10).collect::<Vec<i64>>());
    });
}

#[test]
fn a_writer_that_is_killed_or_stopped_in_the_line_does_not_keep_the_next_one_out() {
    let _turn = turn::beside_others();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    assert_eq!(n_rows(&path), 0);
    for (n, signal) in [(0, rustix::process::Signal::KILL), (3, rustix::process::Signal::STOP)] {
        let _head = queue::turn_to_write(&queue::side_file(&path), BUSY_TIMEOUT).unwrap();
        let mut child = process("first", &path).spawn().unwrap();
        wait_until_drawn(&path, n + 2);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        let mut next = Database::open(&path, &TWO, Duration::from_millis(400)).unwrap();
        let key = format!("behind-{n}");
        next.write("write", |tx| tx.execute("INSERT INTO entry VALUES (?1, 1, NULL)", [key]))
            .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(n_rows(&path), 2);
}

#[test]
fn a_side_file_that_says_nonsense_or_cannot_be_opened_stops_no_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    assert_eq!(n_rows(&path), 0);
    let side = queue::side_file(&path);
    let write = |key: &str| {
        let mut database = Database::open(&path, &TWO, Duration::ZERO).unwrap();
        database
            .write("write", |tx| tx.execute("INSERT INTO entry VALUES (?1, 1, NULL)", [key]))
            .unwrap();
    };
    for (n, text) in
        [&b"\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"abc", &[0x7f; 9]].iter().enumerate()
    {
        File::create(&side).unwrap().write_all(text).unwrap();
        write(&n.to_string());
    }
    fs::remove_file(&side).unwrap();
    fs::create_dir(&side).unwrap();
    write("directory");
    assert_eq!(n_rows(&path), 4);
}
