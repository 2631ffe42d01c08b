//! A journal that cannot be used: what was blocked stays blocked, the tier decides the rest, one alert tells it.

use std::path::PathBuf;

use crate::sandbox::{Done, Sandbox};

const SETTINGS: &str = "[defaults]\nallow_unattended_resume = true\n\
    [job.low]\ntier = \"low\"\n[job.mid]\ntier = \"mid\"\n[job.high]\ntier = \"high\"\n\
    [job.blocked]\ntier = \"low\"\nthreshold = 1\n";

/// A fleet with one blocked job, whose journal is then damaged.
fn damaged(damage: impl Fn(&PathBuf)) -> Sandbox {
    let sandbox = Sandbox::in_a_file();
    sandbox.settings(SETTINGS);
    for job in ["low", "mid", "high"] {
        sandbox.exec(job, "exit 0").silent(0);
    }
    sandbox.fail("blocked", 1);
    let path = sandbox.journal();
    // What stands in the write-ahead log would heal some of the damage.
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    damage(&path);
    sandbox
}

fn overwrite(path: &PathBuf, content: &[u8]) {
    #[expect(clippy::disallowed_methods, reason = "damage needs no crash safety")]
    std::fs::write(path, content).unwrap();
}

#[track_caller]
fn judged_by_tier(sandbox: &Sandbox) {
    let before = std::fs::metadata(sandbox.journal()).unwrap().len();
    let first = sandbox.guard("check low").code(0);
    assert!(first.stderr.contains("cannot be used"), "{first:?}");
    sandbox.guard("check mid").silent(0);
    sandbox.guard("check blocked").silent(75);
    let closed = sandbox.guard("check high").code(3);
    assert!(closed.stderr.contains("tier high"), "{closed:?}");
    let ran = sandbox.exec("low", "echo ran; exit 9");
    assert_eq!((ran.code, &*ran.stdout, &*ran.stderr), (Some(9), "ran\n", ""));
    sandbox.exec("high", "echo must not run").code(3);
    sandbox.exec("blocked", "echo must not run").silent(75);
    let status = sandbox.guard("status").code(3);
    for (job, state) in [("blocked", "open, unknown"), ("low", "unknown"), ("high", "unknown")] {
        let row = status.stdout.lines().find(|line| line.starts_with(job)).unwrap();
        assert!(row.get(job.len()..).unwrap().trim_start().starts_with(state), "{row}");
    }
    assert!(status.stderr.starts_with("cron-guard: "), "{status:?}");
    let json = sandbox.guard("status high --json").code(3).json();
    assert_eq!(
        (&json["jobs"][0]["blocked"], &json["jobs"][0]["overlays"][0]),
        (&true.into(), &"unknown".into())
    );
    assert_eq!(sandbox.events(), ["trip", "journal"], "one alert for each outage");
    assert_eq!(std::fs::metadata(sandbox.journal()).unwrap().len(), before, "nothing is repaired");
}

#[test]
fn garbage_in_the_place_of_the_journal() {
    judged_by_tier(&damaged(|path| overwrite(path, &[0xA5; 8192])));
}

#[test]
fn a_journal_cut_in_half_and_one_cut_within_its_first_page() {
    for n_bytes in [8192, 2000, 10] {
        judged_by_tier(&damaged(|path| {
            let whole = std::fs::read(path).unwrap();
            overwrite(path, &whole[..n_bytes]);
        }));
    }
}

#[test]
fn a_journal_with_damaged_pages() {
    judged_by_tier(&damaged(|path| {
        let mut whole = std::fs::read(path).unwrap();
        let length = whole.len();
        whole[4096..length].fill(0x5A);
        overwrite(path, &whole);
    }));
}

#[test]
fn a_journal_of_a_newer_release_and_one_of_another_program() {
    for pragma in ["user_version = 999", "application_id = 7"] {
        judged_by_tier(&damaged(|path| {
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.execute_batch(&format!("PRAGMA {pragma}")).unwrap();
        }));
    }
}

#[test]
fn a_directory_in_the_place_of_the_journal() {
    judged_by_tier(&damaged(|path| {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    }));
}

#[test]
fn without_a_channel_the_line_that_cron_mails_is_said_once_and_names_the_cause() {
    let sandbox = damaged(|path| overwrite(path, &[0xA5; 8192]));
    sandbox.write(".config/cron-guard/guard.toml", "");
    std::fs::remove_dir_all(sandbox.path(".local/state/cron-guard")).unwrap();
    sandbox.write(".local/state/cron-guard", "a file where the alerts would go");
    let first = sandbox.exec("low", "exit 5").code(5);
    assert!(first.stderr.contains("file is not a database"), "{first:?}");
    sandbox.exec("low", "exit 5").silent(5);
}

#[test]
fn a_journal_that_is_locked_for_longer_than_the_busy_timeout() {
    let sandbox = Sandbox::in_a_file();
    sandbox.settings(SETTINGS);
    sandbox.fail("blocked", 1);
    sandbox.exec("low", "exit 0").silent(0);
    let other = rusqlite::Connection::open(sandbox.journal()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ran = sandbox.guard("exec low --busy-timeout 0.1 -- sh -c 'exit 9'").code(9);
    assert!(ran.stderr.contains("is busy"), "{ran:?}");
    sandbox.guard("exec blocked --busy-timeout 0.1 -- echo no").silent(75);
    sandbox.guard("check low --busy-timeout 0.1").silent(0);
    for line in ["exec high --busy-timeout 0.1 -- echo no", "check high --busy-timeout 0.1"] {
        let busy = sandbox.guard(line).code(4);
        assert!(
            busy.stderr.contains("tier high") && busy.stderr.contains("--busy-timeout"),
            "{busy:?}"
        );
    }
    other.execute_batch("ROLLBACK").unwrap();
    sandbox.exec("low", "exit 0").silent(0);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    sandbox.guard("exec low --busy-timeout 0.1 -- true").code(0);
    assert_eq!(sandbox.events(), ["trip", "journal", "journal"], "a second outage is told again");
}

#[test]
fn a_journal_that_can_be_read_and_not_written_lets_no_job_of_tier_high_run() {
    use std::os::unix::fs::PermissionsExt as _;
    if rustix::process::getuid().is_root() {
        // Root may write to everything.
        return;
    }
    let sandbox = damaged(|path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o400)).unwrap();
    });
    for line in ["check high", "exec high -- echo must not run"] {
        let closed = sandbox.guard(line).code(3);
        assert!(closed.stdout.is_empty() && closed.stderr.contains("tier high"), "{closed:?}");
    }
    sandbox.guard("check low").silent(0);
}

#[test]
fn the_outcome_of_a_run_is_not_lost_when_others_write_for_longer_than_the_busy_timeout() {
    let sandbox = Sandbox::in_a_file();
    sandbox.exec("j", "true").silent(0);
    let mut child = sandbox
        .command([
            "exec",
            "j",
            "--busy-timeout",
            "0.05",
            "--",
            "/bin/sh",
            "-c",
            "echo > up; while [ -e up ]; do sleep 0.01; done; exit 7",
        ])
        .spawn()
        .unwrap();
    crate::exec::wait_until(|| sandbox.path("up").exists());
    let other = rusqlite::Connection::open(sandbox.journal()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::fs::remove_file(sandbox.path("up")).unwrap();
    // Long enough for many tries; how many does not matter.
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert!(child.try_wait().unwrap().is_none(), "it waits for its turn");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(sandbox.job("j")["recent"], serde_json::json!(["success", "failure"]));
}

#[test]
fn without_its_server_a_gate_decides_by_what_was_last_known_and_tells_it_once() {
    let sandbox = Sandbox::new();
    let Some((variable, url)) = sandbox.server() else { return };
    sandbox.settings(SETTINGS);
    for job in ["low", "high"] {
        sandbox.exec(job, "exit 0").silent(0);
    }
    sandbox.fail("blocked", 1);
    // The same server by its name, at an address where it does not listen.
    let away = format!("{url}{}hostaddr=127.0.0.2", if url.contains('?') { '&' } else { '?' });
    let guard = |words: &[&str]| {
        let mut command = sandbox.command(["--busy-timeout", "100ms"].iter().chain(words));
        Done::of(&command.env(variable, &away).output().unwrap())
    };
    let first = guard(&["check", "low"]).code(0);
    assert!(first.stderr.contains("cannot be used: cannot connect to the database"), "{first:?}");
    guard(&["check", "low"]).silent(0);
    guard(&["check", "blocked"]).silent(75);
    guard(&["exec", "blocked", "--", "echo", "must not run"]).silent(75);
    guard(&["check", "high"]).code(3);
    let ran = guard(&["exec", "low", "--", "sh", "-c", "echo ran; exit 9"]).code(9);
    assert_eq!(ran.stdout, "ran\n");
    let status = guard(&["status"]).code(4);
    assert!(status.stdout.contains("open, unknown"), "{status:?}");
    // The server is back, and the next outage is told of again.
    sandbox.exec("low", "exit 0").silent(0);
    assert!(guard(&["check", "low"]).code(0).stderr.contains("cannot be used"));
}
