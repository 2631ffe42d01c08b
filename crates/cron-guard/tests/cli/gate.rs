//! The gate: three failures block, one alert, resume, recovery; exit codes passed on exactly.

use crate::exec::wait_until;
use crate::sandbox::Sandbox;

#[test]
fn three_failures_block_with_one_alert_and_a_resume_and_a_success_open_again() {
    let sandbox = Sandbox::new();
    sandbox.guard("check nightly").silent(0);
    sandbox.fail("nightly", 3);
    sandbox.guard("check nightly").silent(75);
    sandbox.exec("nightly", "echo must not run").silent(75);
    sandbox.exec("nightly", "echo must not run").silent(75);
    assert_eq!(sandbox.events(), ["trip"]);
    sandbox.guard("resume nightly --reason repaired").silent(0);
    sandbox.exec("nightly", "exit 0").silent(0);
    assert_eq!(sandbox.job("nightly")["state"], "closed");
    assert_eq!(sandbox.events(), ["trip", "recovered"]);
    // What failed before the resume never counts again.
    sandbox.fail("nightly", 2);
    sandbox.guard("check nightly").silent(0);
}

#[test]
fn after_a_resume_one_failure_blocks_again_and_fresh_gives_the_full_number() {
    let sandbox = Sandbox::new();
    sandbox.fail("j", 3);
    sandbox.guard("resume j --reason repaired").silent(0);
    sandbox.fail("j", 1);
    sandbox.guard("check j").silent(75);
    assert_eq!(sandbox.job("j")["reason"], "failed again after resume");
    assert_eq!(sandbox.events(), ["trip", "trip"]);
    sandbox.guard("resume j --fresh --reason rewritten").silent(0);
    sandbox.fail("j", 2);
    sandbox.guard("check j").silent(0);
    sandbox.fail("j", 1);
    sandbox.guard("check j").silent(75);
}

#[test]
fn the_run_after_a_check_is_the_probe_that_the_check_granted_and_no_other_is() {
    let mut sandbox = Sandbox::new();
    sandbox.fail("j", 3);
    sandbox.guard("resume j --reason repaired").silent(0);
    sandbox.guard("check j").silent(0);
    sandbox.guard("check j").silent(75);
    let script = "echo $CRON_GUARD_PROBE >> probes; until test -e ended; do sleep 0.01; done";
    let start = || sandbox.command(["exec", "j", "--", "/bin/sh", "-c", script]).spawn().unwrap();
    let mut started: Vec<_> = (0..5).map(|_| start()).collect();
    wait_until(|| sandbox.job("j")["skipped"] == 5);
    sandbox.write("ended", "");
    let codes = started.iter_mut().map(|guard| guard.wait().unwrap().code());
    assert_eq!(codes.filter(|code| *code == Some(0)).count(), 1);
    assert_eq!(std::fs::read_to_string(sandbox.path("probes")).unwrap(), "1\n");
    assert_eq!(sandbox.job("j")["state"], "closed");
    // A lease that no run took for a minute is nobody's.
    sandbox.fail("j", 3);
    sandbox.guard("resume j --reason repaired").silent(0);
    sandbox.guard("check j").silent(0);
    sandbox.clock("+61s");
    sandbox.guard("check j").silent(0);
}

#[test]
fn a_success_between_failures_keeps_the_job_running() {
    let sandbox = Sandbox::new();
    for _ in 0..3 {
        sandbox.fail("j", 2);
        sandbox.exec("j", "exit 0").silent(0);
    }
    sandbox.guard("check j").silent(0);
    assert!(sandbox.events().is_empty());
}

#[test]
fn the_exit_code_and_the_signal_of_the_command_are_passed_on() {
    let sandbox = Sandbox::new();
    sandbox.exec("a", "exit 75").silent(75);
    sandbox.exec("b", "exit 255").silent(255);
    assert_eq!(sandbox.exec("c", "kill -KILL $$").signal, Some(9));
    let missing = sandbox.run(["exec", "d", "--", "/nonexistent/command"]).code(127);
    assert!(missing.stderr.starts_with("cron-guard: cannot run /nonexistent/command: "));
    sandbox.run(["exec", "e", "--", "/etc/passwd"]).code(126);
    sandbox.guard("exec f --timeout 0.1 --grace 1 -- sleep 60").silent(124);
    assert_eq!(sandbox.job("f")["streak"], 1);
}

#[test]
fn a_run_that_took_longer_than_it_may_has_failed_also_when_nobody_looked_meanwhile() {
    let sandbox = Sandbox::new();
    sandbox.settings("[defaults]\nmax_runtime = \"0.1s\"\nthreshold = 2\n");
    sandbox.exec("slow", "sleep 0.3").silent(0);
    // What no guard ran is held against the clock of the journal.
    sandbox.tamper(
        "INSERT INTO runs (id, job, status, started_at, finished_at, heartbeat_at, lease_ms, lease_until, exit_code)
         SELECT 'ffffffff-ffff-7fff-8fff-ffffffffffff', job, 'completed', started_at, finished_at, 0, 0, 0, 0 FROM runs",
        &[],
    );
    sandbox.guard("check slow").silent(75);
    let history = sandbox.guard("history slow").stdout;
    assert_eq!(history.matches("timed out").count(), 2, "{history}");
    assert!(history.contains("past its maximum runtime"), "{history}");
    let report = sandbox.guard("report --json").json();
    assert_eq!(
        (&report["jobs"][0]["failed"], &report["jobs"][0]["succeeded"]),
        (&2.into(), &0.into())
    );
    assert_eq!(sandbox.job("slow")["recent"][0], "timed out");
    // The time in which the machine slept does not count.
    sandbox.settings("[defaults]\nmax_runtime = \"10m\"\n");
    let script = "echo > up; until test -e go; do sleep 0.01; done";
    let mut sleeper = sandbox.command(["exec", "slept", "--", "sh", "-c", script]).spawn().unwrap();
    wait_until(|| sandbox.path("up").exists());
    sandbox.tamper("UPDATE runs SET started_at = started_at - 3600000 WHERE job = 'slept'", &[]);
    sandbox.write("go", "");
    sleeper.wait().unwrap();
    assert_eq!(sandbox.job("slept")["recent"][0], "success");
}

#[test]
fn the_command_sees_its_job_and_its_run_and_streams_pass_through() {
    let sandbox = Sandbox::new();
    let done = sandbox.exec("j", "echo $CRON_GUARD_JOB $AGENT_STATE_JOB ${CRON_GUARD_PROBE-no}; test -n \"$AGENT_STATE_RUN_ID\"; echo e >&2");
    assert_eq!((done.code, &*done.stdout, &*done.stderr), (Some(0), "j j no\n", "e\n"));
}

#[test]
fn resume_without_a_terminal_needs_permission_and_a_reason() {
    let sandbox = Sandbox::new();
    sandbox.fail("j", 3);
    sandbox.guard("resume j").code(2);
    sandbox.settings("");
    let refused = sandbox.guard("resume j --reason x").code(3);
    assert!(refused.stderr.contains("allow_unattended_resume = true"));
    sandbox.guard("check j").silent(75);
    sandbox.settings("[defaults]\nallow_unattended_resume = true\n");
    sandbox.guard("resume nobody --reason x").code(1);
}

#[test]
fn the_sweep_prints_its_four_lines_and_writes_them_for_machines() {
    let sandbox = Sandbox::new();
    sandbox.fail("k6a-weekly", 3);
    sandbox.exec("fine", "exit 0").silent(0);
    let sweep = sandbox.run::<_, &str>([]).code(1);
    assert_eq!(
        sweep.stdout,
        "Checked: 2 jobs\nHealthy: 1\nBlocked: 1 (k6a-weekly — 3 consecutive failures)\n\
         Pause instructions written to ~/.local/state/cron-guard/blocked.json\n"
    );
    let text =
        std::fs::read_to_string(sandbox.path(".local/state/cron-guard/blocked.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let entry = &document["blocked"][0];
    assert_eq!(
        (&document["version"], &entry["job"], &entry["streak"]),
        (&1.into(), &"k6a-weekly".into(), &3.into())
    );
    assert_eq!(entry["run_ids"].as_array().unwrap().len(), 3);
    assert_eq!(entry["resume"][1], "resume");
    sandbox.guard("--quiet --output elsewhere.json").silent(1);
    assert!(sandbox.path("elsewhere.json").exists());
}

#[test]
fn a_closed_pipe_changes_no_verdict() {
    let sandbox = Sandbox::new();
    sandbox.fail("j", 3);
    for (line, code) in [
        (&["check", "j", "--json"][..], 75),
        (&["exec", "j", "--json", "--", "true"], 75),
        (&[], 1),
        (&["status", "--nagios"], 2),
        (&["status"], 0),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = sandbox.command(line).stdout(writer).output().unwrap();
        assert_eq!((ended.status.code(), &*ended.stderr), (Some(code), &b""[..]), "{line:?}");
    }
}

#[test]
fn a_variable_that_was_emptied_is_not_set_and_an_empty_flag_is_a_mistake() {
    let sandbox = Sandbox::in_a_file();
    let with_empty = |line: &[&str]| {
        let mut command = sandbox.command(line);
        command.env("AGENT_STATE_DB", "").env("CRON_GUARD_CONFIG", "");
        command.output().unwrap().status.code()
    };
    for line in [&["check", "j"][..], &["exec", "j", "--", "true"], &["status"], &["--quiet"]] {
        assert_eq!(with_empty(line), Some(0), "{line:?}");
    }
    assert!(sandbox.journal().exists());
    sandbox.guard("check j --db ''").code(2);
    sandbox.guard("status --config ''").code(2);
}

#[test]
fn the_command_that_resumes_names_the_journal_wherever_it_is_pasted() {
    let sandbox = Sandbox::in_a_file();
    for _ in 0..3 {
        sandbox.guard("exec j --db here.db -- false").code(1);
    }
    let resume = sandbox.alerts()[0]["resume"].as_str().unwrap().to_owned();
    let db = sandbox.home().canonicalize().unwrap().join("here.db");
    assert!(resume.starts_with(&format!("cron-guard resume --db {} j", db.display())), "{resume}");
}

#[test]
fn wrong_usage_and_names_that_are_none_are_refused() {
    let sandbox = Sandbox::new();
    for line in [
        "check",
        "check ''",
        "check 'a\nb'",
        "check a b",
        "check a --blocked-exit 0",
        "check a --blocked-exit 256",
        "exec a",
        "exec a --",
        "exec a --timeout -5s -- true",
        "nonsense",
        "resume",
    ] {
        sandbox.guard(line).code(2);
    }
    sandbox.guard("check 'two words; \"quoted\" --'").silent(0);
    sandbox.guard("check -- -dash").silent(0);
    sandbox.guard("exec j --blocked-exit 0 -- true").silent(0);
}

#[test]
fn without_any_channel_the_one_line_that_cron_mails_is_the_alert() {
    let sandbox = Sandbox::in_a_file();
    sandbox.write(".config/cron-guard/guard.toml", "");
    sandbox.fail("j", 2);
    let third = sandbox.exec("j", "exit 1").code(1);
    assert_eq!(
        third.stderr,
        "cron-guard: warning: j is blocked: 3 consecutive failures; cron-guard resume j --reason 'what was repaired'\n"
    );
    sandbox.exec("j", "exit 1").silent(75);
    assert_eq!(sandbox.events(), ["trip"]);
}
