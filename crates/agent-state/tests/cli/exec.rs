//! `exec` from start to end.

use std::os::unix::process::ExitStatusExt as _;

use super::sandbox::{Sandbox, collect, kill, wait_until};
use rustix::process::Signal;

#[test]
fn exec_records_the_run_passes_the_code_on_and_says_nothing() {
    let sandbox = Sandbox::new();
    let done = sandbox.run([
        "exec",
        "reviewer",
        "--job",
        "k6",
        "--",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 7",
    ]);
    assert_eq!(
        (done.code, done.stdout.as_str(), done.stderr.as_str()),
        (Some(7), "out\n", "err\n")
    );
    let runs = sandbox.run(["run", "list", "--json"]).lines();
    assert_eq!(runs.len(), 1);
    let run = &runs[0];
    assert_eq!(run["agent"], "reviewer");
    assert_eq!(run["status"], "failed");
    assert_eq!(run["exit_code"], 7);
    assert_eq!(run["stderr_tail"], "err\n");
}

#[test]
fn a_signal_that_kills_the_command_reaches_the_parent_as_a_signal() {
    let sandbox = Sandbox::new();
    let done = sandbox.run(["exec", "reviewer", "--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!(done.status.signal(), Some(9));
    assert_eq!(sandbox.run(["run", "list", "--json"]).lines()[0]["signal"], 9);
}

#[test]
fn the_command_finds_its_run_its_agent_and_its_tokens() {
    let sandbox = Sandbox::new();
    let script = "echo $AGENT_STATE_RUN_ID; echo $AGENT_STATE_AGENT; echo $AGENT_STATE_AGENT_ID; echo $AGENT_STATE_JOB; \
                  agent-state lock check z --json; echo $AGENT_STATE_LOCK_TOKEN_1; echo $AGENT_STATE_LOCK_TOKEN_2";
    let out = sandbox
        .run(["exec", "a", "--job", "k6", "--lock", "z", "--lock", "b", "--", "sh", "-c", script])
        .ok();
    let lines: Vec<&str> = out.lines().collect();
    let run = &sandbox.run(["run", "list", "--json"]).lines()[0];
    assert_eq!(run["run_id"], lines[0]);
    assert_eq!(lines[1], "a");
    assert_eq!(run["agent_id"], lines[2]);
    assert_eq!(lines[3], "k6");
    let z: serde_json::Value = serde_json::from_str(lines[4]).unwrap();
    assert_eq!(z["holders"][0]["token"].to_string(), lines[5]);
    assert_ne!(lines[5], lines[6]);
    sandbox.run(["lock", "check", "z"]).no();
}

#[test]
fn a_command_that_cannot_start_has_the_code_of_a_shell_and_a_failed_run() {
    let sandbox = Sandbox::new();
    sandbox.run(["exec", "a", "--lock", "r", "--", "/nonexistent/command"]).code(127);
    sandbox.run(["exec", "a", "--lock", "r", "--", "/etc/passwd"]).code(126);
    for run in sandbox.run(["run", "list", "--json"]).lines() {
        assert_eq!(
            (run["status"].as_str(), run["reason"].as_str()),
            (Some("failed"), Some("not started"))
        );
    }
    sandbox.run(["--db", "/dev/null/state.db", "exec", "a", "--", "true"]).code(125);
}

#[test]
fn exec_takes_all_locks_or_none_and_a_held_lock_is_an_honest_no() {
    let sandbox = Sandbox::with_agents(["other"]);
    sandbox.run(["lock", "acquire", "b", "other"]).ok();
    let no = sandbox.run(["exec", "a", "--lock", "a", "--lock", "b", "--", "touch", "ran"]).no();
    assert!(no.contains("`b` is held by other"), "{no}");
    assert!(!sandbox.path("ran").exists());
    sandbox.run(["lock", "check", "a"]).no();
    assert_eq!(sandbox.run(["run", "list", "--json"]).lines()[0]["reason"], "lock held");
}

#[test]
fn a_timeout_ends_the_command_with_124() {
    let sandbox = Sandbox::new();
    sandbox.run(["exec", "a", "--timeout", "100ms", "--", "sleep", "60"]).code(124);
    assert_eq!(sandbox.run(["run", "list", "--json"]).lines()[0]["reason"], "timed out");
}

#[test]
fn a_killed_exec_leaves_a_run_found_interrupted_and_a_lock_that_frees_itself() {
    let sandbox = Sandbox::with_agents(["b"]);
    let child = sandbox.start([
        "exec",
        "a",
        "--lock",
        "repo",
        "--",
        "sh",
        "-c",
        "touch ready; exec sleep 60",
    ]);
    wait_until(|| sandbox.path("ready").exists());
    sandbox.run(["lock", "acquire", "repo", "b"]).no();
    kill(child.id(), Signal::KILL);
    collect(child);
    let run = &sandbox.run(["run", "list", "--json"]).lines()[0];
    assert_eq!(
        (run["status"].as_str(), run["reason"].as_str()),
        (Some("interrupted"), Some("process gone"))
    );
    sandbox.run(["lock", "acquire", "repo", "b"]).ok();
}

#[test]
fn a_command_that_a_signal_for_the_wrapper_ended_was_interrupted_and_has_not_failed() {
    let sandbox = Sandbox::new();
    let child = sandbox.start(["exec", "a", "--", "sh", "-c", "touch ready; exec sleep 60"]);
    wait_until(|| sandbox.path("ready").exists());
    kill(child.id(), Signal::TERM);
    assert_eq!(collect(child).status.signal(), Some(15));
    let run = &sandbox.run(["run", "list", "--json"]).lines()[0];
    assert_eq!(
        (run["status"].as_str(), run["reason"].as_str(), run["signal"].as_i64()),
        (Some("interrupted"), Some("stopped by signal 15"), Some(15))
    );
}

#[test]
fn a_lock_that_is_lost_ends_the_command_and_fails_the_run() {
    let sandbox = Sandbox::with_agents(["b"]);
    let child = sandbox.start([
        "exec",
        "a",
        "--lock",
        "repo",
        "--ttl",
        "2s",
        "--",
        "sh",
        "-c",
        "touch ready; exec sleep 60",
    ]);
    wait_until(|| sandbox.path("ready").exists());
    kill(child.id(), Signal::STOP);
    wait_until(|| sandbox.run(["lock", "acquire", "repo", "b", "--ttl", "1h"]).code == Some(0));
    kill(child.id(), Signal::CONT);
    let done = collect(child);
    assert_eq!(done.status.signal(), Some(15), "{done:?}");
    assert_eq!(done.stderr, "agent-state: warning: a lock was lost, so the command was ended\n");
    let run = &sandbox.run(["run", "list", "--json"]).lines()[0];
    assert_eq!(
        (run["status"].as_str(), run["reason"].as_str()),
        (Some("failed"), Some("lock lost"))
    );
    sandbox.run(["lock", "check", "repo"]).ok();
}

#[test]
fn a_lock_is_renewed_for_as_long_as_its_command_runs() {
    let sandbox = Sandbox::with_agents(["b"]);
    let child = sandbox.start([
        "exec",
        "a",
        "--lock",
        "repo",
        "--ttl",
        "3s",
        "--",
        "sh",
        "-c",
        "touch ready; sleep 7",
    ]);
    wait_until(|| sandbox.path("ready").exists());
    let mut n_refused = 0;
    while sandbox.run(["lock", "acquire", "repo", "b"]).code == Some(1) {
        n_refused += 1;
    }
    // It was given back by its run, and did not lapse under it.
    assert_eq!(sandbox.run(["run", "list", "--json"]).lines()[0]["status"], "completed");
    assert!(n_refused > 10);
    collect(child).ok();
}

#[test]
fn an_outer_run_without_an_agent_is_adopted_and_another_agents_run_is_not() {
    let sandbox = Sandbox::with_agents(["outer"]);
    let run = sandbox.run(["run", "start", "outer", "--id-only"]).ok();
    sandbox.run_with(("AGENT_STATE_RUN_ID", &run), ["exec", "inner", "--", "true"]).ok();
    assert_eq!(sandbox.run(["run", "list", "--json"]).lines().len(), 2);
    assert_eq!(sandbox.run(["run", "show", &run, "--json"]).json()["status"], "running");

    tamper(&sandbox, "agent_id = NULL");
    sandbox
        .run_with(("AGENT_STATE_RUN_ID", &run), ["exec", "inner", "--", "sh", "-c", "exit 3"])
        .code(3);
    let row = sandbox.run(["run", "show", &run, "--json"]).json();
    assert_eq!(
        (row["agent"].as_str(), row["status"].as_str(), row["exit_code"].as_i64()),
        (Some("inner"), Some("failed"), Some(3))
    );
    assert_eq!(sandbox.run(["run", "list", "--json"]).lines().len(), 2);
}

#[test]
fn a_command_that_was_not_started_leaves_its_slot_to_the_next() {
    let sandbox = Sandbox::with_agents(["b"]);
    sandbox.run(["lock", "acquire", "r", "b"]).ok();
    let exec = |command: &str| {
        sandbox.run(["exec", "a", "--job", "j", "--slot", "12:00", "--lock", "r", "--", command])
    };
    assert!(exec("true").no().contains("is held by b"));
    sandbox.run(["lock", "release", "r", "b"]).ok();
    exec("/nonexistent").code(127);
    exec("true").ok();
    let no = exec("true").no();
    assert!(no.contains("slot `12:00` has its run already"), "{no}");
    let runs = sandbox.run(["run", "list", "--json"]).lines();
    let slots: Vec<Option<&str>> = runs.iter().map(|run| run["slot"].as_str()).collect();
    assert_eq!(slots, [Some("12:00"), None, None]);
    assert_eq!(runs[2]["reason"], "lock held");
}

#[test]
#[cfg(target_os = "linux")]
fn a_log_that_lacks_something_is_told_at_the_end_and_the_code_stays_the_commands() {
    let sandbox = Sandbox::new();
    let script = "echo one; echo two >&2; exit 3";
    let done = sandbox.run(["exec", "a", "--log", "/dev/full", "--", "sh", "-c", script]).code(3);
    assert_eq!(done.stdout, "one\n");
    let (passed, told) = done.stderr.split_once('\n').unwrap();
    assert_eq!(passed, "two");
    let expect = "agent-state: warning: the log /dev/full lacks some of the output: No space left";
    assert!(told.starts_with(expect) && told.lines().count() == 1, "{told}");
}

#[test]
fn a_log_gets_what_the_command_prints_and_the_output_passes_through() {
    let sandbox = Sandbox::new();
    let done =
        sandbox.run(["exec", "a", "--log", "log", "--", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out\n", "err\n"));
    let log = std::fs::read_to_string(sandbox.path("log")).unwrap();
    assert!(log.contains("out\n") && log.contains("err\n"));
}

/// Changes what the journal says of the process behind the only running run.
fn tamper(sandbox: &Sandbox, change: &str) {
    let change = format!("UPDATE runs SET {change} WHERE status = 'running'");
    let n_rows = sandbox.fleet().write("tamper with", |tx| tx.execute(&change, [])).unwrap();
    assert_eq!(n_rows, 1);
}

#[test]
fn a_live_slow_run_is_never_reaped_and_a_reboot_or_a_reused_pid_is_noticed() {
    let sandbox = Sandbox::new();
    let mut child = sandbox.start(["exec", "a", "--", "sh", "-c", "touch ready; exec sleep 60"]);
    wait_until(|| sandbox.path("ready").exists());
    let later = ("AGENT_PLUMBING_CLOCK", "+3d");
    assert_eq!(sandbox.run_with(later, ["run", "reap"]).ok(), "");
    let seen = |sandbox: &Sandbox| {
        let run = sandbox.run(["run", "list", "--json"]).lines().remove(0);
        (run["status"].as_str().unwrap().to_owned(), run["reason"].as_str().map(ToOwned::to_owned))
    };
    assert_eq!(seen(&sandbox), ("running".to_owned(), None));
    tamper(&sandbox, "pid_started = pid_started - 1");
    assert_eq!(seen(&sandbox), ("interrupted".to_owned(), Some("process gone".to_owned())));
    tamper(&sandbox, "pid_started = pid_started + 1");
    assert_eq!(seen(&sandbox), ("running".to_owned(), None));
    tamper(&sandbox, "boot_id = 'the boot before'");
    assert_eq!(seen(&sandbox), ("interrupted".to_owned(), Some("reboot".to_owned())));
    assert!(sandbox.run(["run", "reap"]).ok().contains("(reboot)"));
    // The process learns nothing of it, and does not make the run undone.
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(seen(&sandbox), ("interrupted".to_owned(), Some("reboot".to_owned())));
}

#[test]
fn a_slot_has_one_run_also_when_an_adopted_run_takes_it() {
    let sandbox = Sandbox::with_agents(["a"]);
    sandbox.run(["exec", "a", "--job", "k6", "--slot", "12:00", "--", "true"]).ok();
    let no =
        sandbox.run(["exec", "a", "--job", "k6", "--slot", "12:00", "--", "touch", "ran"]).no();
    assert!(no.contains("slot `12:00` has its run already"), "{no}");
    let run = sandbox.run(["run", "start", "a", "--job", "k6", "--id-only"]).ok();
    tamper(&sandbox, "agent_id = NULL");
    sandbox
        .run_with(
            ("AGENT_STATE_RUN_ID", &run),
            ["exec", "a", "--slot", "12:00", "--", "touch", "ran"],
        )
        .no();
    assert!(!sandbox.path("ran").exists());
    tamper(&sandbox, "agent_id = NULL");
    sandbox
        .run_with(("AGENT_STATE_RUN_ID", &run), ["exec", "a", "--slot", "13:00", "--", "true"])
        .ok();
    assert_eq!(sandbox.run(["run", "show", &run, "--json"]).json()["slot"], "13:00");
}
