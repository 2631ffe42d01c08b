//! Bad input, and a database that is not what it should be.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use common::sql::Connection;

use super::sandbox::{Done, Sandbox};

#[track_caller]
fn explains(done: Done, code: i32, part: &str) {
    let done = done.code(code);
    assert!(done.stderr.contains(part), "{done:?}");
    assert!(done.stderr.contains("\n  hint: "), "{done:?}");
    assert_eq!(done.stdout, "");
}

#[expect(clippy::disallowed_methods, reason = "what is written here is garbage on purpose")]
fn garbage(sandbox: &Sandbox, bytes: &[u8]) {
    fs::create_dir_all(sandbox.database().parent().unwrap()).unwrap();
    fs::write(sandbox.database(), bytes).unwrap();
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let sandbox = Sandbox::in_a_file();
    garbage(&sandbox, &[b'x'; 5000]);
    explains(sandbox.run(["stats"]), 3, "file is not a database");
    explains(sandbox.run(["agent", "register", "a"]), 3, "file is not a database");
    assert_eq!(fs::read(sandbox.database()).unwrap(), [b'x'; 5000]);
    let error = sandbox.run(["stats", "--json"]).code(3);
    let object: serde_json::Value = serde_json::from_str(&error.stderr).unwrap();
    assert_eq!(object["error"]["code"], "database");
}

#[test]
fn a_truncated_database_is_refused() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    let connection = rusqlite::Connection::open(sandbox.database()).unwrap();
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(connection);
    fs::OpenOptions::new().write(true).open(sandbox.database()).unwrap().set_len(5000).unwrap();
    explains(sandbox.run(["agent", "list"]), 3, "malformed");
}

#[test]
fn a_newer_and_a_foreign_database_are_refused_with_what_they_are() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    let connection = rusqlite::Connection::open(sandbox.database()).unwrap();
    connection.execute_batch("PRAGMA user_version = 9999").unwrap();
    drop(connection);
    explains(sandbox.run(["stats"]), 3, "has version 9999, and this program knows versions up to");
    let foreign = sandbox.path("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    explains(sandbox.run(["--db", "foreign.db", "stats"]), 3, "is a database of another program");
    explains(sandbox.run(["--db", "foreign.db", "agent", "register", "a"]), 3, "another program");
}

#[test]
fn a_database_whose_path_is_not_utf8_is_one_like_any_other() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    let [first, second] = [b"f\xff.db", b"s\xff.db"].map(|name| OsStr::from_bytes(name));
    for format in [&[][..], &["--json"]] {
        let words = [OsStr::new("--db"), first, OsStr::new("init")];
        let done = sandbox.run(words.into_iter().chain(format.iter().map(OsStr::new)));
        assert!(done.ok().contains("f\u{fffd}.db"));
    }
    sandbox.run([OsStr::new("migrate"), sandbox.database().as_os_str(), first]).ok();
    let words = [OsStr::new("migrate"), OsStr::new("--json"), first, second];
    let copied = sandbox.run(words).json();
    assert_eq!(
        (copied["from"].as_str(), copied["to"].as_str()),
        (Some("f\u{fffd}.db"), Some("s\u{fffd}.db"))
    );
}

#[test]
fn a_directory_a_loop_and_a_url_in_the_paths_place_are_refused() {
    let sandbox = Sandbox::in_a_file();
    fs::create_dir(sandbox.path("folder.db")).unwrap();
    symlink("loop.db", sandbox.path("loop.db")).unwrap();
    for db in ["folder.db", "folder.db/"] {
        for command in [&["stats"][..], &["agent", "register", "a"]] {
            let refused = sandbox.run([&["--db", db], command].concat());
            explains(refused, 3, "cannot open the database folder.db");
        }
    }
    explains(sandbox.run(["--db", "folder.db", "stats"]), 3, "s a directory");
    for command in [&["stats"][..], &["agent", "register", "a"]] {
        let refused = sandbox.run([&["--db", "loop.db"], command].concat()).code(3);
        assert!(refused.stderr.contains("symbolic links"), "{}", refused.stderr);
    }
    explains(
        sandbox.run(["--db", "mysql://me:secret@host/db", "stats"]),
        3,
        "not mysql: databases",
    );
}

#[test]
fn without_home_the_password_database_is_asked_and_nothing_lands_here() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command();
    let output = command.env_remove("HOME").args(["doctor", "--json"]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)));
    assert!(!sandbox.path(".local").exists());
}

#[test]
fn readers_work_where_nothing_can_be_written() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    sandbox.run(["state", "set", "a", "k", "1"]).ok();
    let folder = sandbox.database().parent().unwrap().to_owned();
    rusqlite::Connection::open(sandbox.database())
        .unwrap()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    let read = sandbox.run(["state", "get", "a", "k"]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(read.ok(), "1");
}

#[test]
fn readers_leave_the_database_as_it_is() {
    let sandbox = Sandbox::with_agents(["a"]);
    sandbox.run(["state", "set", "a", "k", "1"]).ok();
    sandbox.run(["run", "start", "a", "--lease", "1s"]).ok();
    let count = |sandbox: &Sandbox| -> i64 {
        let count =
            |c: &Connection| c.query_row("SELECT count(*) FROM events", [], |row| row.get(0));
        sandbox.fleet().read("count", count).unwrap()
    };
    let before = count(&sandbox);
    for args in [
        vec!["state", "get", "a", "k"],
        vec!["state", "list", "a"],
        vec!["agent", "list"],
        vec!["run", "list"],
        vec!["lock", "list"],
        vec!["stats"],
        vec!["board"],
        vec!["events"],
        vec!["coord", "bulletin"],
        vec!["action", "list"],
    ] {
        let mut later = sandbox.command();
        let output = later.env("AGENT_PLUMBING_CLOCK", "+1h").args(&args).output().unwrap();
        assert!(output.status.success(), "{args:?}");
    }
    assert_eq!(count(&sandbox), before);
}

#[test]
fn usage_errors_are_2_and_json_for_those_who_asked() {
    let sandbox = Sandbox::with_agents(["a"]);
    for args in [
        vec!["nonsense"],
        vec!["run", "start"],
        vec!["run", "list", "--limit", "0"],
        vec!["run", "list", "--limit", "-1"],
        vec!["run", "start", "a", "--lease", "-1h"],
        vec!["run", "start", "a", "--lease", "1000000000000000000000h"],
        vec!["lock", "acquire", "r", "a", "--ttl", "0"],
        vec!["lock", "acquire", "r", "a", "-E", "256"],
        vec!["lock", "acquire", "two\nlines", "a"],
        vec!["state", "set", "a", "", "v"],
        vec!["run", "finish", "x", "--cost-usd", "NaN"],
        vec!["events", "--limit", "0"],
        vec!["exec", "a"],
    ] {
        assert_eq!(sandbox.run(&args).code, Some(2), "{args:?}");
    }
    let done = sandbox.run(["run", "start", "--json"]).code(2);
    let object: serde_json::Value = serde_json::from_str(&done.stderr).unwrap();
    assert_eq!(object["error"]["code"], "usage");
    let invalid = OsStr::from_bytes(b"\xff\xfe");
    for args in [
        vec![OsStr::new("agent"), OsStr::new("register"), invalid],
        vec![OsStr::new("state"), OsStr::new("set"), OsStr::new("a"), OsStr::new("k"), invalid],
        vec![invalid],
    ] {
        sandbox.run(args).code(2);
    }
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    sandbox.run(["state", "set", "a", "k", "1"]).ok();
    let value = "x".repeat(900_000);
    let path = sandbox.path("value");
    #[expect(clippy::disallowed_methods, reason = "a test's own input")]
    fs::write(&path, &value).unwrap();
    // A limit on the size of files stands for a disk without space: the write-ahead log cannot grow.
    sandbox.sh("trap '' XFSZ; ulimit -f 100; exec agent-state state set a big - < value").code(3);
    assert_eq!(sandbox.run(["state", "get", "a", "k"]).ok(), "1");
    sandbox.run(["state", "get", "a", "big"]).no();
    assert_eq!(sandbox.damage(), [""; 0]);
}

#[test]
fn doctor_says_so_when_nothing_can_be_written() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    // Room for the shared memory of the readers, and none behind what the write-ahead log holds.
    let full = sandbox.sh("trap '' XFSZ; ulimit -f 64; exec agent-state doctor").code(1);
    assert!(full.stdout.starts_with("write: cannot write to the database "), "{full:?}");
    assert_eq!(sandbox.run(["doctor"]).code(0).stderr, "");
    let count = |c: &Connection| {
        c.query_row("SELECT count(*) FROM counters WHERE name = 'doctor'", [], |row| row.get(0))
    };
    let n_left: i64 = sandbox.fleet().read("count", count).unwrap();
    assert_eq!(n_left, 0);
}

#[test]
fn a_closed_stdout_ends_quietly() {
    let sandbox = Sandbox::with_agents(["a"]);
    for n in 0..3 {
        sandbox.run_fed(&vec![b'x'; 200_000], ["state", "set", "a", &format!("k{n}"), "-"]).ok();
    }
    let done = sandbox.sh("agent-state state list a --json | head -c 10 > /dev/null");
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_database_that_stays_busy_is_worth_another_try() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    let connection = rusqlite::Connection::open(sandbox.database()).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    explains(sandbox.run(["state", "set", "a", "k", "1", "--busy-timeout", "100ms"]), 4, "is busy");
    sandbox.run(["--busy-timeout", "100ms", "exec", "a", "--", "touch", "ran"]).code(125);
    assert!(!sandbox.path("ran").exists());
    sandbox.run(["agent", "list"]).ok();
}
