//! A database on a server: how it is named, what is said when it is not there, and moving to it and back.

use std::time::Duration;

use common::fleet::fresh_on_server;

use super::sandbox::{Sandbox, collect, wait_until};

/// Nobody listens on this port: it is not in the range that systems give out.
const NOBODY: &str = "postgres://me@127.0.0.1:1/fleet";

#[test]
fn a_password_in_an_argument_is_refused_and_shown_nowhere() {
    let sandbox = Sandbox::in_a_file();
    let secret = "postgres://me:hunter2@127.0.0.1:1/fleet";
    for args in [
        &["--db", secret, "stats"][..],
        &["migrate", "a.db", secret],
        &["--db", secret, "exec", "a", "--", "true"],
    ] {
        std::fs::File::create(sandbox.path("a.db")).unwrap();
        let refused = sandbox.run(args);
        assert!(matches!(refused.code, Some(2 | 125)), "{refused:?}");
        assert!(refused.stderr.contains("must not stand in an argument"), "{refused:?}");
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
    let unreachable =
        sandbox.run_with(("AGENT_STATE_DB", secret), ["--busy-timeout", "100ms", "stats"]).code(4);
    assert!(unreachable.stderr.contains("postgres://me@127.0.0.1:1/fleet"), "{unreachable:?}");
    assert!(!unreachable.stderr.contains("hunter2"), "{unreachable:?}");
}

#[test]
fn a_server_that_is_not_there_is_worth_another_try_and_a_wrong_url_is_not() {
    let sandbox = Sandbox::in_a_file();
    for args in [&["stats"][..], &["agent", "register", "a"], &["doctor"]] {
        let done = sandbox.run([&["--db", NOBODY, "--busy-timeout", "100ms"], args].concat());
        let expect = if args == ["doctor"] { 1 } else { 4 };
        let done = done.code(expect);
        assert!((done.stdout + &done.stderr).contains("cannot connect to the database"));
    }
    let error = sandbox.run(["--db", NOBODY, "--busy-timeout", "100ms", "stats", "--json"]).code(4);
    let object: serde_json::Value = serde_json::from_str(&error.stderr).unwrap();
    assert_eq!(object["error"]["code"], "unreachable");
    sandbox
        .run(["--db", NOBODY, "--busy-timeout", "100ms", "exec", "a", "--", "touch", "ran"])
        .code(125);
    assert!(!sandbox.path("ran").exists());
    let wrong = sandbox.run(["--db", "postgres://host:port/db", "stats"]).code(3);
    assert!(wrong.stderr.contains("has a wrong port"), "{wrong:?}");
    let unknown = sandbox.run(["--db", "postgres://h/db?speed=high", "stats"]).code(3);
    assert!(unknown.stderr.contains("unknown parameter speed"), "{unknown:?}");
    // Nothing of it became a file.
    assert!(!sandbox.path("postgres:").exists());
}

#[test]
fn a_database_moves_to_another_place_and_back_with_every_row() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    sandbox.run(["state", "set", "a", "k", "1"]).ok();
    sandbox.run(["exec", "a", "--job", "nightly", "--lock", "r", "--", "true"]).ok();
    sandbox.run(["journal", "add", "a", "lesson", "lint first"]).ok();
    let from = sandbox.database();
    let from = from.to_str().unwrap();
    let to = fresh_on_server().unwrap_or_else(|| "copy.db".to_owned());
    let said = sandbox.run(["migrate", from, &to]).ok();
    assert!(said.starts_with("copied and compared "), "{said}");
    assert_eq!(sandbox.run(["--db", &to, "state", "get", "a", "k"]).ok(), "1");
    let rows = |done: super::sandbox::Done| done.json()["rows"].clone();
    let back = rows(sandbox.run(["migrate", &to, "back.db", "--json"]));
    assert_eq!(rows(sandbox.run(["migrate", from, "again.db", "--json"])), back);
    let no = sandbox.run(["migrate", from, &to]).no();
    assert!(no.contains("is not empty"), "{no}");
    // Tokens go on growing where they stood.
    let token = |db: &str| {
        let granted = sandbox.run(["--db", db, "lock", "acquire", "r", "a", "--json"]).json();
        granted["token"].clone()
    };
    assert_eq!(token("back.db"), token(&to));
}

#[test]
fn nothing_is_copied_while_somebody_works_and_what_is_not_there_is_not_made() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    let from = sandbox.database();
    let from = from.to_str().unwrap();
    let mut child = sandbox.start(["exec", "a", "--", "sh", "-c", "touch ready; exec sleep 60"]);
    wait_until(|| sandbox.path("ready").exists());
    let no = sandbox.run(["migrate", from, "copy.db"]).no();
    assert!(no.ends_with("is in use: 1 run of it is alive"), "{no}");
    child.kill().unwrap();
    child.wait().unwrap();
    sandbox.run(["lock", "acquire", "r", "a"]).ok();
    let no = sandbox.run(["migrate", from, "copy.db"]).no();
    assert!(no.ends_with("is in use: 1 lock of it is alive"), "{no}");
    assert!(!sandbox.path("copy.db").exists());
    sandbox.run(["lock", "release", "r", "a"]).ok();
    sandbox.run(["migrate", "absent.db", "copy.db"]).code(3);
    assert!(!sandbox.path("absent.db").exists());
}

#[test]
fn a_node_that_somebody_works_on_keeps_a_database_in_its_place() {
    let sandbox = Sandbox::in_a_file().register(["a"]);
    sandbox.run_fed(br#"{"nodes":[{"id":"n"}]}"#, ["task", "submit", "-"]).ok();
    sandbox.run(["task", "next", "a"]).ok();
    let from = sandbox.database();
    let no = sandbox.run(["migrate", from.to_str().unwrap(), "copy.db"]).no();
    assert!(no.ends_with("is in use: 1 node of it is alive"), "{no}");
}

#[test]
fn a_command_that_outlives_its_connection_goes_on_over_a_new_one() {
    let Some(url) = fresh_on_server() else { return };
    let sandbox = Sandbox::in_a_file();
    let mut command = sandbox.command();
    command.env("AGENT_STATE_DB", &url).args(["exec", "a", "--lock", "r", "--ttl", "3s", "--"]);
    command.args(["sh", "-c", "touch ready; while [ ! -e go ]; do sleep 0.05; done"]);
    let child = command.spawn().unwrap();
    wait_until(|| sandbox.path("ready").exists());
    let server = common::postgres::Server::parse(&url).unwrap();
    let mut other = server.connect(Duration::from_secs(10)).unwrap();
    for _ in 0..3 {
        other
            .batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .unwrap();
        std::thread::sleep(Duration::from_millis(700));
    }
    #[expect(clippy::disallowed_methods, reason = "a sign for the command")]
    std::fs::write(sandbox.path("go"), "").unwrap();
    collect(child).code(0);
    let runs = sandbox.run_with(("AGENT_STATE_DB", &url), ["run", "list", "--json"]).lines();
    assert_eq!((runs.len(), &runs[0]["status"]), (1, &"completed".into()), "{runs:?}");
}

#[test]
fn doctor_says_so_when_a_server_lets_it_read_only() {
    let Some(url) = fresh_on_server() else { return };
    let sandbox = Sandbox::in_a_file();
    let doctor = || sandbox.run_with(("AGENT_STATE_DB", &url), ["doctor"]);
    doctor().ok();
    let server = common::postgres::Server::parse(&url).unwrap();
    let mut other = server.connect(Duration::from_secs(10)).unwrap();
    // It stands for a role that may only read, which not every server lets a test create.
    other
        .batch_execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE insufficient_privilege USING MESSAGE = 'permission denied'; END $$;
             CREATE TRIGGER refused BEFORE INSERT ON counters FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .unwrap();
    let found = doctor().code(1);
    assert!(found.stdout.starts_with("write: cannot write to the database "), "{found:?}");
    assert!(found.stdout.contains("permission denied"), "{found:?}");
}
