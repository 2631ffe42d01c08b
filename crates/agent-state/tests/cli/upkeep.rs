//! Doctor, backup, prune, import.

use rusqlite::Connection;

use super::sandbox::Sandbox;

/// The present layout of the Python tool.
pub(crate) const PRESENT: &str = "
    CREATE TABLE agents (agent_id TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL DEFAULT 'interactive',
        cron_job_id TEXT, metadata_json TEXT DEFAULT '{}', created_at TEXT NOT NULL, last_seen_at TEXT NOT NULL);
    CREATE TABLE runs (run_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL REFERENCES agents(agent_id), started_at TEXT NOT NULL,
        ended_at TEXT, status TEXT NOT NULL DEFAULT 'running', exit_code INTEGER, summary TEXT,
        token_usage INTEGER DEFAULT 0, output_path TEXT);
    CREATE TABLE state_kv (agent_id TEXT NOT NULL, key TEXT NOT NULL, value_json TEXT NOT NULL,
        version INTEGER NOT NULL DEFAULT 1, updated_at TEXT NOT NULL, PRIMARY KEY (agent_id, key));
    CREATE TABLE locks (resource TEXT PRIMARY KEY, agent_id TEXT NOT NULL, acquired_at TEXT NOT NULL, expires_at TEXT NOT NULL);
    CREATE TABLE coordination (id INTEGER PRIMARY KEY AUTOINCREMENT, agent_id TEXT NOT NULL, action TEXT NOT NULL,
        resource TEXT NOT NULL, detail TEXT DEFAULT '', timestamp TEXT NOT NULL);
    CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL);
    INSERT INTO agents VALUES
        ('aaaaaaaaaaaa', 'reviewer', 'cron', 'k6', '{\"owner\": \"me\"}', '2026-01-01T00:00:00.123456+00:00', '2026-01-02T00:00:00+00:00'),
        ('bbbbbbbbbbbb', 'reviewer', 'interactive', NULL, '{}', '2026-01-01T00:00:01+00:00', '2026-01-01T00:00:01+00:00'),
        ('cccccccccccc', 'known', 'delegated', NULL, '{}', '2026-01-01T00:00:01+00:00', '2026-01-01T00:00:01+00:00'),
        ('dddddddddddd', 'bad' || char(10) || 'name', 'cron', NULL, '{}', '2026-01-01T00:00:01+00:00', '2026-01-01T00:00:01+00:00');
    INSERT INTO runs VALUES
        ('f00000000001', 'aaaaaaaaaaaa', '2026-01-01T10:00:00+00:00', '2026-01-01T10:01:00+00:00', 'completed', 0, 'fine', 1200, NULL),
        ('000000000002', 'bbbbbbbbbbbb', '2026-01-01T11:00:00+00:00', '2026-01-01T11:01:00+00:00', 'failed', 3, NULL, 0, '/tmp/out'),
        ('300000000003', 'aaaaaaaaaaaa', '2026-01-01T12:00:00+00:00', NULL, 'running', NULL, NULL, 0, NULL);
    INSERT INTO state_kv VALUES
        ('aaaaaaaaaaaa', 'cursor', '42', 7, '2026-01-01T10:00:00+00:00'),
        ('never-registered', 'k', '{\"a\": 1}', 1, '2026-01-01T10:00:00+00:00');
    INSERT INTO locks VALUES
        ('repo', 'aaaaaaaaaaaa', '2026-01-01T10:00:00+00:00', '2999-01-01T10:00:00+00:00'),
        ('site', 'aaaaaaaaaaaa', '2026-01-01T10:00:00+00:00', '2026-01-01T10:05:00+00:00');
    INSERT INTO coordination (agent_id, action, resource, detail, timestamp) VALUES
        ('aaaaaaaaaaaa', 'working_on', 'repo', 'review', '2026-01-01T10:00:00+00:00'),
        ('aaaaaaaaaaaa', 'note', 'repo', '', '2026-01-01T10:00:00+00:00'),
        ('aaaaaaaaaaaa', 'nonsense', 'repo', '', '2026-01-01T10:00:00+00:00');";

/// Its older layout.
const OLDER: &str = "
    CREATE TABLE agents (agent_id TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL DEFAULT 'cron',
        created_at TEXT NOT NULL, last_active_at TEXT, metadata TEXT DEFAULT '{}');
    CREATE TABLE sessions (session_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL REFERENCES agents(agent_id),
        started_at TEXT NOT NULL, ended_at TEXT, status TEXT NOT NULL DEFAULT 'running', summary TEXT, error_detail TEXT);
    CREATE TABLE locks (resource_path TEXT PRIMARY KEY, agent_id TEXT NOT NULL, acquired_at TEXT NOT NULL,
        intent TEXT NOT NULL DEFAULT 'write', expires_at TEXT NOT NULL);
    CREATE TABLE journal (id INTEGER PRIMARY KEY AUTOINCREMENT, agent_id TEXT NOT NULL, session_id TEXT,
        timestamp TEXT NOT NULL, category TEXT NOT NULL, content TEXT NOT NULL);
    CREATE TABLE state (agent_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL DEFAULT 'null',
        updated_at TEXT NOT NULL, PRIMARY KEY (agent_id, key));
    INSERT INTO agents VALUES ('cron_123', 'Nightly Review', 'cron', '2026-01-01T00:00:00+00:00', NULL, '{}');
    INSERT INTO sessions VALUES
        ('session_1', 'cron_123', '2026-01-01T10:00:00+00:00', '2026-01-01T10:01:00+00:00', 'ok', 'fine', NULL),
        ('session_2', 'cron_123', '2026-01-01T11:00:00+00:00', '2026-01-01T11:01:00+00:00', 'error', NULL, 'no network');
    INSERT INTO journal (agent_id, session_id, timestamp, category, content) VALUES
        ('cron_123', 'session_1', '2026-01-01T10:00:30+00:00', 'lesson', '{\"text\": \"lint first\"}');
    INSERT INTO state VALUES ('cron_123', 'cursor', '\"x\"', '2026-01-01T10:00:00+00:00');";

pub(crate) fn python_database(sandbox: &Sandbox, layout: &str) -> String {
    let path = sandbox.path("old.db");
    Connection::open(&path).unwrap().execute_batch(layout).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_present_layout_is_imported_once_and_again_without_doubles() {
    let sandbox = Sandbox::with_agents(["known"]);
    let file = python_database(&sandbox, PRESENT);
    let counts = sandbox.run(["import", &file, "--json"]).json();
    let count = |counts: &serde_json::Value, table: &str| -> Vec<u64> {
        ["rows", "imported", "present", "skipped"]
            .map(|field| counts["tables"][table][field].as_u64().unwrap())
            .into()
    };
    assert_eq!(count(&counts, "agents"), [4, 1, 2, 1]);
    assert_eq!(count(&counts, "runs"), [3, 3, 0, 0]);
    assert_eq!(count(&counts, "state_kv"), [2, 2, 0, 0]);
    assert_eq!(count(&counts, "locks"), [2, 1, 0, 1]);
    assert_eq!(count(&counts, "coordination"), [3, 2, 0, 1]);

    let again = sandbox.run(["import", &file, "--json"]).json();
    assert_eq!(count(&again, "runs"), [3, 0, 3, 0]);
    assert_eq!(count(&again, "state_kv"), [2, 0, 2, 0]);
    assert_eq!(count(&again, "locks"), [2, 0, 1, 1]);
    assert_eq!(count(&again, "coordination"), [3, 0, 2, 1]);

    let agent = sandbox.run(["agent", "show", "aaaaaaaaaaaa", "--json"]).json();
    assert_eq!(
        (agent["name"].as_str(), agent["cron_job_id"].as_str()),
        (Some("reviewer"), Some("k6"))
    );
    assert_eq!(agent["created_at"], "2026-01-01T00:00:00.123Z");
    let runs = sandbox.run(["run", "list", "--agent", "reviewer", "--json"]).lines();
    let statuses: Vec<&str> = runs.iter().map(|run| run["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["interrupted", "failed", "completed"]);
    let value = sandbox.run(["state", "get", "reviewer", "cursor", "--json"]).json();
    assert_eq!((value["value"].as_i64(), value["version"].as_i64()), (Some(42), Some(7)));
    sandbox.run(["state", "get", "never-registered", "k"]).ok();
    sandbox.run(["lock", "check", "repo"]).ok();
    sandbox.run(["coord", "check", "repo"]).no();
}

#[test]
fn what_moved_on_in_the_source_moves_on_here() {
    let sandbox = Sandbox::new();
    let file = python_database(&sandbox, PRESENT);
    sandbox.run(["import", &file]).ok();
    Connection::open(&file)
        .unwrap()
        .execute_batch(
            "UPDATE runs SET status = 'completed', ended_at = '2026-01-01T13:00:00+00:00' WHERE run_id = '300000000003';
             UPDATE state_kv SET value_json = '43', version = 8, updated_at = '2026-01-05T00:00:00+00:00' WHERE key = 'cursor';",
        )
        .unwrap();
    let counts = sandbox.run(["import", &file, "--json"]).json();
    assert_eq!(counts["tables"]["runs"]["updated"], 1);
    assert_eq!(counts["tables"]["state_kv"]["updated"], 1);
    assert_eq!(sandbox.run(["state", "get", "reviewer", "cursor"]).ok(), "43");
    assert_eq!(sandbox.run(["run", "list", "--json"]).lines()[0]["status"], "completed");
}

#[test]
fn of_two_agents_of_one_name_the_newer_value_stays_and_nothing_unnamed_comes_in() {
    let sandbox = Sandbox::new();
    let more = "
        INSERT INTO state_kv VALUES
            ('bbbbbbbbbbbb', 'cursor', '99', 9, '2026-01-01T10:00:00+00:00'),
            ('aaaaaaaaaaaa', 'late', '1', 9, '2026-01-02T10:00:00+00:00'),
            ('bbbbbbbbbbbb', 'late', '2', 3, '2026-01-01T10:00:00+00:00'),
            ('aaaaaaaaaaaa', '', '1', 1, '2026-01-01T10:00:00+00:00');";
    let file = python_database(&sandbox, &format!("{PRESENT}{more}"));
    let counts = |fields: [&str; 4]| {
        let counts = sandbox.run(["import", &file, "--json"]).json();
        fields.map(|field| counts["tables"]["state_kv"][field].as_u64().unwrap())
    };
    let fields = ["imported", "updated", "present", "skipped"];
    assert_eq!(counts(fields), [3, 1, 0, 2]);
    let value = |key| sandbox.run(["state", "get", "reviewer", key, "--json"]).json();
    for (key, expect, version) in [("cursor", 99, 9), ("late", 1, 9)] {
        assert_eq!(
            (&value(key)["value"], &value(key)["version"]),
            (&expect.into(), &version.into())
        );
    }
    assert_eq!(sandbox.run(["state", "list", "reviewer", "--json"]).lines().len(), 2);
    // Both values of `cursor` are here by now.
    assert_eq!(counts(fields), [0, 0, 4, 2]);
}

#[test]
fn the_older_layout_is_imported_too_and_something_else_is_refused() {
    let sandbox = Sandbox::new();
    let file = python_database(&sandbox, OLDER);
    for _ in 0..2 {
        sandbox.run(["import", &file]).ok();
    }
    let runs = sandbox.run(["run", "list", "--agent", "cron_123", "--json"]).lines();
    assert_eq!(runs.len(), 2);
    assert_eq!(
        (runs[0]["status"].as_str(), runs[0]["reason"].as_str()),
        (Some("failed"), Some("no network"))
    );
    let entries = sandbox.run(["journal", "list", "--json"]).lines();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["entry"]["text"], "lint first");
    assert_eq!(sandbox.run(["state", "get", "Nightly Review", "cursor", "--raw"]).ok(), "x");
    let own = sandbox.database();
    sandbox.run(["import", own.to_str().unwrap()]).code(3);
    sandbox.run(["import", "/nonexistent.db"]).code(3);
    sandbox.run(["import", "/etc/passwd"]).code(3);
    let folder = sandbox.run(["import", "."]).code(3).stderr;
    assert!(
        folder.starts_with("agent-state: cannot read the database .: is a directory\n"),
        "{folder}"
    );
    sandbox.sh("mkfifo pipe").code(0);
    let pipe = sandbox.run(["import", "pipe"]).code(3).stderr;
    assert!(pipe.contains("pipe is no database of the Python agent-state"), "{pipe}");
}

#[test]
fn prune_forgets_what_is_old_and_nothing_that_still_counts() {
    let sandbox = Sandbox::with_agents(["a"]);
    let old = ("AGENT_PLUMBING_CLOCK", "-100d");
    let done = sandbox.run_with(old, ["run", "start", "a", "--id-only"]).ok();
    sandbox.run_with(old, ["run", "finish", &done]).ok();
    let running =
        sandbox.run_with(old, ["run", "start", "a", "--lease", "1000d", "--id-only"]).ok();
    sandbox.run_with(old, ["state", "set", "a", "k", "1"]).ok();
    sandbox.run_with(old, ["coord", "note", "a", "repo"]).ok();
    sandbox.run_with(old, ["once", "done", "--agent", "a", "--", "true"]).ok();
    sandbox.run_with(old, ["once", "unknown", "--agent", "a", "--", "sh", "-c", "kill -9 $$"]);
    sandbox.run_with(old, ["lock", "acquire", "repo", "a", "--ttl", "1000d"]).ok();
    let planned = sandbox.run(["prune", "--older-than", "90d", "--dry-run", "--json"]).json();
    let pruned = sandbox.run(["prune", "--older-than", "90d", "--json"]).json();
    assert_eq!(planned["pruned"], pruned["pruned"]);
    for (what, expect) in [("runs", 1), ("coordination", 1), ("actions", 1)] {
        assert_eq!(pruned["pruned"][what], expect, "{what}");
    }
    assert!(pruned["pruned"]["events"].as_i64().unwrap() > 5);
    sandbox.run(["run", "show", &done]).no();
    sandbox.run(["run", "show", &running]).ok();
    sandbox.run(["state", "get", "a", "k"]).ok();
    sandbox.run(["lock", "check", "repo"]).ok();
    assert_eq!(sandbox.run(["action", "show", "unknown", "--json"]).json()["state"], "unknown");
    assert_eq!(sandbox.run(["stats", "--json"]).json()["runs_completed"], 0);
    sandbox.run(["prune"]).code(2);
}

#[test]
fn a_prune_of_everything_ends_counts_truly_and_leaves_one_event_of_itself() {
    let sandbox = Sandbox::with_agents(["a"]);
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
                INSERT INTO events (at, kind, subject) SELECT i, 'state.set', 'k' FROM n";
    sandbox.fleet().write("age", |tx| tx.execute(many, [])).unwrap();
    sandbox.run(["state", "set", "a", "k", "1"]).ok();
    let newest = sandbox.run(["events", "--limit", "1", "--json"]).lines();
    for age in ["1ms", "0"] {
        let planned = sandbox.run(["prune", "--older-than", age, "--dry-run", "--json"]).json();
        let pruned = sandbox.run(["prune", "--older-than", age, "--json"]).json();
        assert_eq!(planned["pruned"], pruned["pruned"]);
        // The numbers of events go on behind the newest.
        let left = sandbox.run(["events", "--json"]).lines();
        assert_eq!(left.len(), 2, "{left:?}");
        assert_eq!(left[1]["kind"], "prune");
        assert_eq!(left[1]["detail"], pruned["pruned"]);
        assert!(left[1]["event_id"].as_i64() > newest[0]["event_id"].as_i64());
    }
}

#[test]
fn exec_forgets_a_little_on_its_way_once_a_day() {
    let sandbox = Sandbox::with_agents(["a"]);
    let count = || sandbox.run(["run", "list", "--json"]).lines().len();
    for _ in 0..2 {
        sandbox.run(["exec", "a", "--", "true"]).ok();
    }
    let hundred_days = 100_i64 * 24 * 60 * 60 * 1000;
    let age = "UPDATE runs SET started_at = started_at - ?1, finished_at = finished_at - ?1";
    sandbox.fleet().write("age", |tx| tx.execute(age, [hundred_days])).unwrap();
    sandbox.run(["exec", "a", "--", "true"]).ok();
    assert_eq!(count(), 3);
    sandbox.run_with(("AGENT_PLUMBING_CLOCK", "+25h"), ["exec", "a", "--", "true"]).ok();
    assert_eq!(count(), 2);
}

#[test]
fn a_backup_is_whole_private_and_opens_as_a_database() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::in_a_file().register(["a"]);
    sandbox.run(["state", "set", "a", "k", "1"]).ok();
    for _ in 0..2 {
        assert_eq!(sandbox.run(["backup", "copy.db"]).ok(), "");
    }
    let mode = std::fs::metadata(sandbox.path("copy.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(sandbox.run(["--db", "copy.db", "state", "get", "a", "k"]).ok(), "1");
    let own = sandbox.database();
    sandbox.run(["backup", own.to_str().unwrap()]).code(2);
    sandbox.run(["backup", "no/such/folder/copy.db"]).code(3);
}

#[test]
fn a_backup_replaces_nothing_but_a_regular_file() {
    use std::os::unix::fs::{FileTypeExt as _, symlink};
    let sandbox = Sandbox::in_a_file().register(["a"]);
    sandbox.sh("mkfifo pipe && mkdir folder && touch file").code(0);
    symlink("file", sandbox.path("link")).unwrap();
    for (name, what) in [("pipe", "no regular file"), ("folder", "a directory"), ("link", "a link")]
    {
        let refused = sandbox.run(["backup", name]).code(3);
        let said = format!("agent-state: cannot back up to {name}: it is {what}\n");
        assert!(refused.stderr.starts_with(&said), "{refused:?}");
    }
    let kind = |name: &str| std::fs::symlink_metadata(sandbox.path(name)).unwrap().file_type();
    assert!(kind("pipe").is_fifo() && kind("folder").is_dir() && kind("link").is_symlink());
    assert_eq!(std::fs::read(sandbox.path("file")).unwrap(), b"");
}

#[test]
fn a_database_is_not_migrated_onto_itself_whatever_it_is_called() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    sandbox.run(["backup", "x.db"]).ok();
    std::os::unix::fs::symlink("x.db", sandbox.path("link.db")).unwrap();
    std::fs::hard_link(sandbox.path("x.db"), sandbox.path("hard.db")).unwrap();
    for to in ["x.db", "./x.db", "link.db", "hard.db"] {
        let refused = sandbox.run(["migrate", "x.db", to]).code(2);
        let said = "agent-state: cannot migrate the database x.db onto itself\n";
        assert_eq!(refused.stderr, said, "{to}");
    }
    #[cfg(feature = "postgres")]
    {
        let (one, other) = ("postgres://u@127.0.0.1:1/d", "postgresql://u@127.0.0.1:1/d");
        let refused = sandbox.run(["migrate", one, other]).code(2);
        assert!(refused.stderr.contains("onto itself"), "{refused:?}");
    }
}

#[test]
fn doctor_says_all_well_or_one_line_a_finding() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::in_a_file().register(["a"]);
    assert_eq!(sandbox.run(["doctor"]).ok(), "all well: ~/.local/state/agent-state/state.db");
    sandbox.run(["run", "start", "a", "--lease", "1s"]).ok();
    sandbox.run_with(("AGENT_PLUMBING_CLOCK", "+3h"), ["state", "set", "a", "k", "1"]).ok();
    std::fs::set_permissions(sandbox.database(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let later = sandbox
        .command()
        .env("XDG_STATE_HOME", "/elsewhere")
        .env("AGENT_PLUMBING_CLOCK", "+1h")
        .arg("doctor")
        .output()
        .unwrap();
    assert_eq!(later.status.code(), Some(1));
    let text = String::from_utf8(later.stdout).unwrap();
    let checks: Vec<&str> = text.lines().map(|line| line.split_once(':').unwrap().0).collect();
    assert_eq!(checks, ["clock", "runs", "permissions", "environment"], "{text}");
    let json = sandbox.run_with(("AGENT_PLUMBING_CLOCK", "+4h"), ["doctor", "--json"]).code(1);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["findings"][0]["check"], "runs");
}

#[test]
fn doctor_finds_a_damaged_database() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    for n in 0..50 {
        sandbox.run(["state", "set", "a", &format!("k{n}"), &"x".repeat(2000)]).ok();
    }
    Connection::open(sandbox.database())
        .unwrap()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(sandbox.database()).unwrap();
    let n_bytes = file.metadata().unwrap().len();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xA5; 20_000], n_bytes / 2).unwrap();
    let done = sandbox.run(["doctor"]).code(1);
    assert!(done.stdout.starts_with("integrity: "), "{done:?}");
}

#[test]
fn who_writes_to_a_database_that_others_can_read_is_warned_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::in_a_file();
    assert_eq!(sandbox.run(["init"]).code(0).stderr, "");
    let set_mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set_mode(&sandbox.database(), 0o644);
    let file = "agent-state: warning: ~/.local/state/agent-state/state.db has mode 644, so other users can look in; \
                chmod 600 ~/.local/state/agent-state/state.db\n";
    for args in [&["init"][..], &["agent", "register", "a"], &["exec", "a", "--", "true"]] {
        assert_eq!(sandbox.run(args).code(0).stderr, file);
    }
    // What reads stays silent in scripts, and so do requests.
    sandbox.run(["agent", "list"]).ok();
    sandbox.run_fed(br#"{"method": "agent.register", "params": {"name": "b"}}"#, ["rpc"]).ok();
    set_mode(&sandbox.database(), 0o600);
    set_mode(sandbox.database().parent().unwrap(), 0o755);
    let told = sandbox.run(["agent", "heartbeat", "a"]).code(0).stderr;
    assert!(told.contains("~/.local/state/agent-state has mode 755") && told.lines().count() == 1);
    // A folder of somebody's choice is theirs.
    set_mode(&sandbox.path(""), 0o755);
    assert_eq!(sandbox.run(["--db", "own.db", "init"]).code(0).stderr, "");
}
