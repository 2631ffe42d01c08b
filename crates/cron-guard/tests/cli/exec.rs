//! `exec` beyond the gate: overlap, spacing, jitter, held output, signals, kill -9, adopted runs.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::sandbox::Sandbox;

/// Waits until the condition holds; fails after a while.
#[track_caller]
pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < until, "waited for a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &std::process::Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

/// Starts a job that says when it runs and then sleeps.
fn long_job(sandbox: &Sandbox, job: &str) -> std::process::Child {
    let child = sandbox
        .command(["exec", job, "--", "/bin/sh", "-c", "echo > started; exec sleep 60"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| sandbox.path("started").exists());
    child
}

#[test]
fn a_name_may_begin_with_a_dash() {
    let sandbox = Sandbox::new();
    let line = [
        "exec",
        "--timeout",
        "1m",
        "--",
        "-rf",
        "--",
        "sh",
        "-c",
        "echo $CRON_GUARD_JOB \"$@\"",
        "sh",
        "--",
    ];
    assert_eq!(sandbox.run(line).code(0).stdout, "-rf --\n");
    sandbox.run(["exec", "--", "-rf", "true"]).code(2);
    sandbox.run(["exec", "--", "a\nb", "--", "true"]).code(2);
    sandbox.run(["check", "--", "-rf"]).silent(0);
}

#[test]
fn a_second_start_is_skipped_and_counted_while_one_is_alive() {
    let sandbox = Sandbox::new();
    let mut first = long_job(&sandbox, "j");
    sandbox.guard("exec j --no-overlap -- true").silent(75);
    sandbox.guard("exec j -- true").silent(0);
    let job = sandbox.job("j");
    assert_eq!((&job["overlap_skips"], &job["skipped"]), (&1.into(), &0.into()), "{job}");
    let status = sandbox.guard("status").code(0).stdout;
    assert!(status.contains("skipped 1x in the last 24h (overlap)") && !status.contains("blocked"));
    let report = sandbox.guard("report --json").code(0).json();
    let row = &report["jobs"][0];
    assert_eq!((&row["skipped"], &row["blocked"]), (&1.into(), &0.into()), "{row}");
    assert_eq!(sandbox.job("j")["streak"], 0, "a skip is not a failure");
    signal(&first, rustix::process::Signal::TERM);
    first.wait().unwrap();
    sandbox.guard("exec j --no-overlap -- true").silent(0);
}

#[test]
fn a_signal_for_the_wrapper_reaches_the_command_and_counts_as_nothing() {
    use std::os::unix::process::ExitStatusExt as _;
    let sandbox = Sandbox::new();
    for _ in 0..3 {
        let mut child = long_job(&sandbox, "j");
        std::fs::remove_file(sandbox.path("started")).unwrap();
        signal(&child, rustix::process::Signal::TERM);
        assert_eq!(child.wait().unwrap().signal(), Some(15));
    }
    let job = sandbox.job("j");
    assert_eq!((&job["state"], &job["streak"]), (&"closed".into(), &0.into()));
    assert_eq!(sandbox.events(), ["interrupted"], "three in a row are warned about");
}

/// The outer end of a terminal, at which a person types, and the inner one, at which programs run.
#[cfg(target_os = "linux")]
fn pseudo_terminal() -> (std::fs::File, std::fs::File) {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let outer = openpt(flags).unwrap();
    grantpt(&outer).unwrap();
    unlockpt(&outer).unwrap();
    let inner = ioctl_tiocgptpeer(&outer, flags).unwrap();
    (outer.into(), inner.into())
}

#[test]
#[cfg(target_os = "linux")]
fn a_key_at_the_terminal_that_ends_the_command_counts_as_nothing() {
    use std::io::Write as _;
    use std::os::unix::process::ExitStatusExt as _;
    let sandbox = Sandbox::new();
    for (key, signal) in [(b"\x03", 2), (b"\x1c", 3), (b"\x03", 2)] {
        let (mut keys, inner) = pseudo_terminal();
        // The guard leads the session of the terminal, as a shell's command does in the foreground.
        let mut guard = sandbox.program("/usr/bin/setsid");
        guard
            .args(["--ctty", env!("CARGO_BIN_EXE_cron-guard"), "exec", "j", "--", "sh", "-c"])
            .arg("ulimit -c 0; echo > started; exec sleep 60")
            .stdin(inner.try_clone().unwrap())
            .stdout(inner.try_clone().unwrap())
            .stderr(inner);
        let mut guard = guard.spawn().unwrap();
        wait_until(|| sandbox.path("started").exists());
        std::fs::remove_file(sandbox.path("started")).unwrap();
        keys.write_all(key).unwrap();
        assert_eq!(guard.wait().unwrap().signal(), Some(signal));
    }
    let job = sandbox.job("j");
    assert_eq!((&job["state"], &job["streak"]), (&"closed".into(), &0.into()));
    let history = sandbox.guard("history j").stdout;
    assert!(history.contains("stopped by signal 2"), "{history}");
    assert_eq!(sandbox.events(), ["interrupted"]);
}

#[test]
fn kill_9_of_the_guard_ends_the_job_and_the_run_is_found_vanished_once() {
    let sandbox = Sandbox::new();
    for n in 1..=3 {
        let mut child = long_job(&sandbox, "j");
        std::fs::remove_file(sandbox.path("started")).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        sandbox.guard("check j").silent(if n < 3 { 0 } else { 75 });
        assert_eq!(sandbox.job("j")["streak"], n);
    }
    assert_eq!(sandbox.events(), ["trip"]);
}

#[test]
#[cfg(target_os = "linux")]
fn what_goes_on_after_kill_9_of_the_guard_is_a_running_run_and_no_second_one_starts() {
    let sandbox = Sandbox::new();
    let script = "until test -e go; do sleep 0.01; done & setsid sleep 60 & echo $! > daemon; wait";
    let mut guard = sandbox.command(["exec", "j", "--", "sh", "-c", script]).spawn().unwrap();
    let daemon = || std::fs::read_to_string(sandbox.path("daemon")).unwrap_or_default();
    wait_until(|| daemon().ends_with('\n'));
    guard.kill().unwrap();
    guard.wait().unwrap();
    for _ in 0..2 {
        sandbox.guard("exec j --no-overlap -- true").silent(75);
        let job = sandbox.job("j");
        assert_eq!((&job["streak"], job["overlays"][0].as_str()), (&0.into(), Some("running")));
    }
    sandbox.write("go", "");
    wait_until(|| sandbox.guard("exec j --no-overlap -- false").code == Some(1));
    let history = sandbox.guard("history j").stdout;
    assert!(history.contains("process gone"), "{history}");
    assert_eq!(sandbox.job("j")["streak"], 2);
    let daemon = rustix::process::Pid::from_raw(daemon().trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn starts_in_a_group_keep_their_distance() {
    let mut sandbox = Sandbox::new();
    sandbox.guard("exec a --spacing linkedin=30m -- true").silent(0);
    sandbox.guard("exec b --spacing linkedin=30m -- true").silent(75);
    sandbox.guard("exec c --spacing other=30m -- true").silent(0);
    assert_eq!(sandbox.job("b")["spacing_skips"], 1);
    sandbox.clock("+31m");
    sandbox.guard("exec b --spacing linkedin=30m -- true").silent(0);
    // A clock that went back must not block the group for longer than the distance.
    sandbox.clock("-10h");
    sandbox.guard("exec a --spacing linkedin=30m -- true").silent(75);
    sandbox.clock("-9h");
    sandbox.guard("exec a --spacing linkedin=30m -- true").silent(0);
    sandbox.guard("exec a --wait -- true").code(2);
    sandbox.guard("exec a --spacing linkedin -- true").code(2);
}

#[test]
fn a_start_that_waits_for_its_turn_is_not_skipped() {
    let sandbox = Sandbox::new();
    sandbox.guard("exec a --spacing g=1s -- true").silent(0);
    sandbox.guard("exec b --spacing g=1s --wait -- true").silent(0);
    assert_eq!(sandbox.job("b")["spacing_skips"], 0);
}

#[test]
fn held_output_is_printed_whole_only_when_the_command_failed() {
    let sandbox = Sandbox::new();
    sandbox.guard("exec j --mail-on-failure -- sh -c 'echo out; echo err >&2'").silent(0);
    let failed =
        sandbox.guard("exec j --mail-on-failure -- sh -c 'echo out; echo err >&2; exit 4'");
    assert_eq!((failed.code, &*failed.stdout, &*failed.stderr), (Some(4), "out\n", "err\n"));
    let timed_out =
        sandbox.guard("exec j --timeout 3 --mail-on-failure -- sh -c 'echo begun; sleep 60'");
    assert_eq!((timed_out.code, &*timed_out.stdout), (Some(124), "begun\n"));
    // Under cron both streams are one pipe, and then their order is kept.
    let merged = sandbox
        .program("/bin/sh")
        .args(["-c", "exec \"$0\" exec j2 --mail-on-failure -- sh -c 'echo 1; echo 2 >&2; echo 3; exit 1' 2>&1"])
        .arg(env!("CARGO_BIN_EXE_cron-guard"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&merged.stdout), "1\n2\n3\n");
}

#[test]
fn the_jitter_of_a_job_is_the_same_every_time() {
    let sandbox = Sandbox::new();
    let started = Instant::now();
    sandbox.guard("exec j --jitter 20ms -- true").silent(0);
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_run_of_a_command_that_recorded_its_own_outcome_is_judged_by_it() {
    let sandbox = Sandbox::new();
    // What an inner `agent-state exec` does: it finishes the run that it found in its environment.
    for n in 1..=3 {
        let mut child = sandbox
            .command(["exec", "j", "--", "/bin/sh", "-c", "echo $AGENT_STATE_RUN_ID > id.tmp; mv id.tmp id; while [ -e id ]; do sleep 0.01; done"])
            .spawn()
            .unwrap();
        wait_until(|| sandbox.path("id").exists());
        let id = std::fs::read_to_string(sandbox.path("id")).unwrap();
        sandbox.tamper(
            "UPDATE runs SET status = 'failed', verdict = 'bad', exit_code = 0, finished_at = started_at WHERE id = ?1",
            &[&id.trim()],
        );
        std::fs::remove_file(sandbox.path("id")).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(sandbox.job("j")["streak"], n);
    }
    sandbox.guard("check j").silent(75);
}

#[test]
fn the_guard_has_the_last_word_on_a_run_that_an_inner_exec_recorded() {
    let sandbox = Sandbox::new();
    let run = |end: &str, inner: &str| {
        let script = format!(
            "echo $AGENT_STATE_RUN_ID > id.tmp; mv id.tmp id; while [ -e id ]; do sleep 0.01; done; {end}"
        );
        let mut child =
            sandbox.command(["exec", "j", "--", "/bin/sh", "-c", &script]).spawn().unwrap();
        wait_until(|| sandbox.path("id").exists());
        let id = std::fs::read_to_string(sandbox.path("id")).unwrap();
        // As an inner `agent-state exec` leaves the run that it adopted.
        sandbox.tamper(
            &format!(
                "UPDATE runs SET {inner}, agent_id = 'a', finished_at = started_at WHERE id = ?1"
            ),
            &[&id.trim()],
        );
        // Who looks now sees a run that its guard has not ended.
        sandbox.guard("check j").silent(0);
        sandbox.guard("exec j --no-overlap -- true").silent(75);
        std::fs::remove_file(sandbox.path("id")).unwrap();
        child.wait().unwrap();
        sandbox.job("j")["streak"].as_i64().unwrap()
    };
    sandbox.tamper(
        "INSERT INTO agents (id, name, type, created_at, last_seen_at) VALUES ('a', 'a', 'cron', 0, 0)",
        &[],
    );
    let (done, failed) =
        ("status = 'completed', exit_code = 0", "status = 'failed', exit_code = 1");
    assert_eq!(run("exit 5", done), 1);
    assert_eq!(run("exit 5", failed), 2);
    assert_eq!(run("exit 0", failed), 0, "a part that failed and was caught is no failure");
    assert_eq!((run("exit 5", done), run("exit 5", done)), (1, 2));
    assert_eq!(run("kill $$", done), 3);
    sandbox.guard("check j").silent(75);
}

#[test]
fn of_many_guards_that_ask_for_the_one_probe_one_runs() {
    let sandbox = Sandbox::new();
    sandbox.fail("j", 3);
    sandbox.guard("resume j --reason repaired").silent(0);
    let children: Vec<_> = (0..16)
        .map(|_| {
            sandbox
                .command([
                    "exec",
                    "j",
                    "--",
                    "/bin/sh",
                    "-c",
                    "echo probe $CRON_GUARD_PROBE >> probes; sleep 1",
                ])
                .spawn()
                .unwrap()
        })
        .collect();
    let codes: Vec<_> =
        children.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
    // The first success closes the breaker; until then there is one lease.
    let probes = std::fs::read_to_string(sandbox.path("probes")).unwrap();
    assert_eq!(probes.matches("probe 1").count(), 1, "{codes:?} {probes}");
    assert!(codes.iter().all(|code| [0, 75].contains(code)), "{codes:?}");
}
