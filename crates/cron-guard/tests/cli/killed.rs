//! Kill -9 of the guard at every instant: the run is found finished or vanished, never lost, and told of once.
//!
//! strace kills it at its Nth call of one kind. Where there is no strace, it dies after so many milliseconds.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use common::sql::Connection;

use crate::sandbox::Sandbox;

/// The calls before which the guard dies: those that write, and those around the life of the command.
const CALLS: &[&str] = &[
    "pwrite64",
    "write",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "clone",
    "clone3",
    "poll",
    "wait4",
    "waitid",
    "kill",
    "flock",
    "close",
];
/// The first calls are looked at one by one, and of more every third.
const ONE_BY_ONE: usize = 12;

const JOB: [&str; 4] = ["--", "/bin/sh", "-c", "echo ran >> ledger.$CRON_GUARD_JOB; exit 1"];

/// Runs a failing job whose guard dies before its `nth` call.
fn die_at(sandbox: &Sandbox, job: &str, call: &str, nth: usize) -> ExitStatus {
    let mut strace = sandbox.program("/usr/bin/strace");
    strace
        .args(["-o", "/dev/null", "-e", &format!("trace={call}"), "-e"])
        .arg(format!("inject={call}:signal=KILL:when={nth}"))
        .args([env!("CARGO_BIN_EXE_cron-guard"), "exec", job])
        .args(JOB)
        .stderr(Stdio::null());
    strace.status().unwrap()
}

/// Runs a failing job whose guard dies after so long.
fn die_after(sandbox: &Sandbox, job: &str, delay: Duration) {
    let mut guard = sandbox.command(["exec", job].iter().chain(&JOB)).spawn().unwrap();
    std::thread::sleep(delay);
    guard.kill().unwrap();
    guard.wait().unwrap();
}

/// How the runs of a job stand in the journal, as status and reason.
fn runs(sandbox: &Sandbox, job: &str) -> Vec<(String, Option<String>)> {
    let select = "SELECT status, reason FROM runs WHERE job = ?1";
    let runs = |connection: &Connection| {
        connection
            .prepare(select)?
            .query_map([job], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    };
    sandbox.fleet().read("read", runs).unwrap()
}

/// Asserts that nothing was lost and nothing told twice, and says how the run ended.
#[track_caller]
fn found(sandbox: &Sandbox, job: &str) -> &'static str {
    sandbox.run(["--quiet"]);
    let ran = sandbox.path(&format!("ledger.{job}")).exists();
    let runs = runs(sandbox, job);
    let told = sandbox.alerts().iter().filter(|alert| alert["job"] == job).count();
    assert_eq!(told, runs.len(), "{job}: {runs:?}");
    match runs.as_slice() {
        [] => {
            assert!(!ran, "{job} ran, and nothing says so");
            "not started"
        }
        [(status, None)] if status == "failed" => {
            assert!(ran, "{job}");
            "finished"
        }
        [(status, Some(reason))] if status == "interrupted" => {
            assert_eq!(reason, "process gone", "{job}");
            "vanished"
        }
        other => panic!("{job}: {other:?}"),
    }
}

#[test]
fn whenever_the_guard_is_killed_the_run_is_finished_or_vanished_and_told_once() {
    let sandbox = Sandbox::new();
    sandbox.settings("[defaults]\ntier = \"high\"\n");
    sandbox.exec("first", "true").silent(0);
    let mut ends = std::collections::BTreeMap::<&str, usize>::new();
    if Path::new("/usr/bin/strace").exists() {
        for call in CALLS {
            for nth in (1..=ONE_BY_ONE).chain((ONE_BY_ONE + 3..400).step_by(3)) {
                let job = format!("{call}-{nth}");
                let end = die_at(&sandbox, &job, call, nth);
                *ends.entry(found(&sandbox, &job)).or_default() += 1;
                if end.code().is_some() {
                    break;
                }
            }
        }
    } else {
        for millis in 0..60 {
            let job = format!("after-{millis}");
            die_after(&sandbox, &job, Duration::from_millis(millis));
            *ends.entry(found(&sandbox, &job)).or_default() += 1;
        }
    }
    assert!(
        ["not started", "finished", "vanished"].iter().all(|end| ends.contains_key(end)),
        "{ends:?}"
    );
    let findings = sandbox.guard("doctor").stdout;
    assert!(!findings.contains("damaged"), "{findings}");
}
