//! Holds, tiers, probes, observation, budgets, lateness, and what agents cannot undo quietly.

use crate::sandbox::Sandbox;

const ALLOW: &str = "[defaults]\nallow_unattended_resume = true\n";

#[test]
fn a_hold_pauses_a_job_a_label_or_all_and_survives_successes() {
    let sandbox = Sandbox::new();
    sandbox.settings(&format!("{ALLOW}[job.a]\nlabels = [\"provider:x\"]\n"));
    sandbox.exec("a", "true").silent(0);
    sandbox.exec("b", "true").silent(0);
    sandbox.guard("hold --label provider:x --reason 'their outage'").silent(0);
    sandbox.guard("check a").silent(75);
    sandbox.guard("check b").silent(0);
    assert_eq!(sandbox.job("a")["state"], "held");
    assert_eq!(sandbox.job("a")["reason"], "held (label:provider:x): their outage");
    sandbox.guard("release --label provider:x --reason over").silent(0);
    sandbox.guard("check a").silent(0);
    sandbox.guard("hold --all --reason 'moving house'").silent(0);
    sandbox.guard("check a").silent(75);
    sandbox.guard("check never-seen").silent(75);
    sandbox.guard("release --all --reason done").silent(0);
    sandbox.guard("hold b --reason x").silent(0);
    sandbox.guard("resume b --reason x").code(3);
    sandbox.guard("release b --reason x").silent(0);
    sandbox.guard("release b --reason x").code(1);
    sandbox.guard("hold b").code(2);
    sandbox.guard("hold b --all --reason x").code(2);
    sandbox.guard("hold b --reason ' '").code(2);
}

#[test]
fn three_resumes_without_one_success_end_in_a_hold() {
    let sandbox = Sandbox::new();
    sandbox.fail("j", 3);
    for _ in 0..3 {
        sandbox.guard("resume j --reason 'surely now'").silent(0);
        sandbox.fail("j", 1);
    }
    assert_eq!(sandbox.job("j")["state"], "held");
    assert_eq!(sandbox.events().last().unwrap(), "held");
    sandbox.guard("resume j --reason again").code(3);
    sandbox.guard("release j --reason 'a person looked'").silent(0);
    sandbox.guard("resume j --reason repaired").silent(0);
    sandbox.exec("j", "true").silent(0);
    assert_eq!(sandbox.job("j")["state"], "closed");
}

#[test]
fn a_job_of_tier_high_stops_after_one_failure() {
    let sandbox = Sandbox::new();
    sandbox.settings(&format!("{ALLOW}[job.pay]\ntier = \"high\"\n"));
    sandbox.fail("pay", 1);
    sandbox.guard("check pay").silent(75);
    assert_eq!(sandbox.job("pay")["reason"], "1 consecutive failure");
}

#[test]
fn an_observed_job_is_judged_and_told_of_and_never_blocked() {
    let sandbox = Sandbox::new();
    sandbox.settings("[job.j]\nmode = \"observe\"\n");
    sandbox.fail("j", 5);
    assert_eq!(sandbox.job("j")["state"], "observe");
    assert_eq!(sandbox.events(), ["trip"]);
    sandbox.guard("check j").silent(0);
}

#[test]
fn a_probe_is_due_after_the_cooldown_and_its_failure_doubles_it() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[job.j]\npolicy = \"probe\"\ncooldown = \"1h\"\n");
    sandbox.fail("j", 3);
    sandbox.clock("+30m");
    sandbox.guard("check j").silent(75);
    sandbox.clock("+70m");
    assert_eq!(
        sandbox.exec("j", "echo probe $CRON_GUARD_PROBE; exit 1").code(1).stdout,
        "probe 1\n"
    );
    assert_eq!(sandbox.job("j")["reason"], "probe failed");
    sandbox.clock("+3h");
    sandbox.guard("check j").silent(75);
    sandbox.clock("+4h");
    sandbox.exec("j", "true").silent(0);
    assert_eq!(sandbox.job("j")["state"], "closed");
    assert_eq!(sandbox.events(), ["trip", "recovered"], "a failed probe is no news");
    // A clock that went back re-opens nothing.
    sandbox.fail("j", 3);
    sandbox.clock("-48h");
    sandbox.guard("check j").silent(75);
}

#[test]
fn a_probe_that_check_let_through_is_bound_to_the_next_run_or_given_back() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[job.j]\npolicy = \"probe\"\ncooldown = \"1h\"\n");
    sandbox.fail("j", 3);
    sandbox.clock("+2h");
    sandbox.guard("check j").silent(0);
    sandbox.guard("check j").silent(75);
    assert_eq!(sandbox.job("j")["state"], "half_open");
    // Nobody started within the minute, so the lease is free again.
    sandbox.clock("+122m");
    sandbox.guard("check j").silent(0);
    sandbox.guard("check j").silent(75);
}

#[test]
fn codes_that_trip_at_once_and_codes_that_count_as_nothing() {
    let sandbox = Sandbox::new();
    sandbox.settings("[job.j]\ntrip_now = [78]\nneutral = \"75\"\n[job.k]\nneutral = [75]\n");
    sandbox.exec("j", "exit 78").silent(78);
    assert_eq!(sandbox.job("j")["reason"], "exit code 78 stops it at once");
    for _ in 0..2 {
        sandbox.exec("k", "exit 75").silent(75);
        sandbox.exec("k", "exit 1").silent(1);
    }
    assert_eq!(sandbox.job("k")["streak"], 2);
}

#[test]
fn a_run_that_goes_on_after_its_maximum_runtime_counts_once() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[job.j]\nmax_runtime = \"10m\"\nthreshold = 1\n");
    let mut child = sandbox
        .command([
            "exec",
            "j",
            "--",
            "/bin/sh",
            "-c",
            "echo > up; while [ -e up ]; do sleep 0.05; done",
        ])
        .spawn()
        .unwrap();
    crate::exec::wait_until(|| sandbox.path("up").exists());
    sandbox.guard("check j").silent(0);
    sandbox.clock("+11m");
    sandbox.guard("check j").silent(75);
    assert_eq!(sandbox.job("j")["overlays"], serde_json::json!(["stuck", "running"]));
    std::fs::remove_file(sandbox.path("up")).unwrap();
    child.wait().unwrap();
    sandbox.guard("check j").silent(75);
    assert_eq!(sandbox.events(), ["trip"]);
}

#[test]
fn over_its_budget_a_job_is_blocked_until_the_window_slides() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[job.j]\nbudget = [\"runs=5/24h\"]\n");
    for _ in 0..4 {
        sandbox.exec("j", "true").silent(0);
    }
    assert_eq!(sandbox.events(), ["budget_warning"]);
    sandbox.exec("j", "true").silent(0);
    sandbox.exec("j", "true").silent(75);
    sandbox.guard("check j").silent(75);
    assert_eq!(sandbox.job("j")["state"], "budget");
    assert_eq!(sandbox.job("j")["streak"], 0);
    assert_eq!(sandbox.events(), ["budget_warning", "budget"]);
    sandbox.clock("+25h");
    sandbox.exec("j", "true").silent(0);
    assert_eq!(sandbox.events(), ["budget_warning", "budget"]);
}

#[test]
fn a_guard_whose_clock_is_a_moment_behind_does_not_have_the_warning_told_again() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[job.j]\nbudget = [\"runs=5/24h\"]\n");
    sandbox.clock("@1767225601000");
    for _ in 0..4 {
        sandbox.exec("j", "true").silent(0);
    }
    sandbox.clock("@1767225600000");
    sandbox.guard("--quiet");
    sandbox.clock("@1767225602000");
    sandbox.guard("--quiet");
    assert_eq!(sandbox.events(), ["budget_warning"]);
}

#[test]
fn the_budget_of_a_label_counts_what_all_its_jobs_spent() {
    let sandbox = Sandbox::new();
    sandbox.settings("[job.a]\nlabels = [\"x\"]\n[job.b]\nlabels = [\"x\"]\n[label.x]\nbudget = [\"usd=5/24h\"]\n[fleet]\nbudget = [\"tokens=1000/1h\"]\n");
    sandbox.exec("a", "true").silent(0);
    sandbox.tamper("UPDATE runs SET cost_usd = 5.5", &[]);
    sandbox.guard("check b").silent(75);
    assert!(sandbox.job("b")["reason"].as_str().unwrap().contains("label:x"));
    sandbox.guard("check c").silent(0);
    sandbox.tamper("UPDATE runs SET cost_usd = NULL, token_usage = 2000", &[]);
    sandbox.guard("check c").silent(75);
}

#[test]
fn late_never_ran_and_undeclared_are_told_apart_and_each_once() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[job.hourly]\nevery = \"1h\"\ngrace = \"5m\"\n[job.silent]\nevery = \"1h\"\ngrace = \"5m\"\n");
    sandbox.exec("hourly", "true").silent(0);
    sandbox.exec("stranger", "true").silent(0);
    let sweep = sandbox.run::<_, &str>([]).code(0);
    assert_eq!(sweep.stdout.lines().count(), 4, "{sweep:?}");
    sandbox.clock("+66m");
    for _ in 0..2 {
        let sweep = sandbox.run::<_, &str>([]).code(1);
        assert!(
            sweep.stdout.starts_with("Checked: 3 jobs\nHealthy: 1\nBlocked: 0\nLate: 2 (hourly"),
            "{sweep:?}"
        );
    }
    assert_eq!(sandbox.events(), ["late", "never_ran"]);
    assert_eq!(sandbox.job("hourly")["overlays"], serde_json::json!(["late"]));
    assert_eq!(sandbox.job("silent")["overlays"], serde_json::json!(["never ran"]));
    assert_eq!(sandbox.job("stranger")["overlays"], serde_json::json!(["undeclared"]));
    sandbox.exec("hourly", "true").silent(0);
    sandbox.exec("silent", "true").silent(0);
    sandbox.run::<_, &str>([]).code(0);
    sandbox.clock("+5h");
    sandbox.run::<_, &str>([]).code(1);
    assert_eq!(sandbox.events(), ["late", "never_ran", "late", "late"]);
}

#[test]
fn a_blocked_job_is_not_late_and_neither_is_one_whose_tick_was_refused() {
    let mut sandbox = Sandbox::new();
    sandbox.settings(&format!("{ALLOW}[job.j]\nevery = \"1h\"\ngrace = \"5m\"\n"));
    sandbox.fail("j", 3);
    sandbox.run::<_, &str>([]).code(1);
    sandbox.clock("+3h");
    sandbox.exec("j", "true").silent(75);
    sandbox.run::<_, &str>([]).code(1);
    sandbox.guard("resume j --reason repaired").silent(0);
    let sweep = sandbox.run::<_, &str>([]).code(1).stdout;
    assert!(sweep.contains("On probation: 1") && !sweep.contains("Late"), "{sweep}");
    assert_eq!(sandbox.events(), ["trip"]);
}

#[test]
fn pruned_history_changes_no_verdict() {
    let sandbox = Sandbox::new();
    sandbox.fail("open", 3);
    sandbox.fail("two", 2);
    sandbox.tamper("DELETE FROM runs", &[]);
    sandbox.guard("check open").silent(75);
    assert_eq!(sandbox.job("two")["streak"], 2);
    sandbox.fail("two", 1);
    sandbox.guard("check two").silent(75);
}

#[test]
fn failures_that_nobody_gated_are_judged_by_the_sweep() {
    let sandbox = Sandbox::new();
    sandbox.exec("other", "true").silent(0);
    for n in 0..3 {
        sandbox.tamper(
                "INSERT INTO runs (id, job, status, started_at, finished_at, heartbeat_at, lease_ms, lease_until, exit_code)
                 SELECT ?1, 'plain', 'failed', started_at, started_at, started_at, 1, started_at, 1 FROM runs WHERE job = 'other'",
                &[&format!("0190000{n}-0000-7000-8000-000000000000")],
            );
    }
    let sweep = sandbox.run::<_, &str>([]).code(1);
    assert!(sweep.stdout.contains("Blocked: 1 (plain — 3 consecutive failures)"), "{sweep:?}");
    assert_eq!(sandbox.events(), ["trip"]);
}

#[test]
fn a_job_that_waits_for_its_probe_is_blocked_in_every_view_until_the_probe_has_succeeded() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[job.j]\npolicy = \"probe\"\ncooldown = \"1h\"\n");
    sandbox.exec("well", "true").silent(0);
    sandbox.fail("j", 3);
    sandbox.clock("+2h");
    let sweep = sandbox.run::<_, &str>([]).code(1).stdout;
    assert!(
        sweep.contains("Healthy: 1\nBlocked: 1 (j — 3 consecutive failures; a probe is due)\n"),
        "{sweep}"
    );
    let entry = |sandbox: &Sandbox| {
        let path = sandbox.path(".local/state/cron-guard/blocked.json");
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["blocked"][0].clone()
    };
    let due = entry(&sandbox);
    assert_eq!((&due["action"], &due["probe"]), (&"probe".into(), &"due".into()), "{due}");
    assert_eq!(sandbox.job("j")["blocked"], true);
    let nagios = sandbox.guard("status --nagios").code(2).stdout;
    assert!(nagios.contains("1 blocked (j)"), "{nagios}");
    sandbox.guard("report --html page.html").silent(0);
    let page = std::fs::read_to_string(sandbox.path("page.html")).unwrap();
    assert!(page.contains("<title>cron-guard: 1 job is blocked</title>"), "{page}");
    sandbox.guard("check j").silent(0);
    let sweep = sandbox.run::<_, &str>([]).code(1).stdout;
    assert!(sweep.contains("(j — 3 consecutive failures; a probe is running)"), "{sweep}");
    let running = entry(&sandbox);
    assert_eq!((&running["action"], &running["probe"]), (&"pause".into(), &"running".into()));
    sandbox.clock("+122m");
    sandbox.exec("j", "true").silent(0);
    sandbox.run::<_, &str>([]).code(0);
}

#[test]
fn the_count_of_blocked_ticks_ends_with_the_block() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[job.j]\npolicy = \"probe\"\ncooldown = \"1h\"\n");
    sandbox.fail("j", 3);
    sandbox.exec("j", "true").silent(75);
    assert!(sandbox.guard("status").code(0).stdout.contains("blocked 1x since "));
    sandbox.clock("+2h");
    sandbox.exec("j", "true").silent(0);
    assert!(!sandbox.guard("status").code(0).stdout.contains("blocked"));
    sandbox.guard("hold j --reason x").silent(0);
    sandbox.exec("j", "true").silent(75);
    sandbox.guard("release j --reason x").silent(0);
    assert!(!sandbox.guard("status").code(0).stdout.contains("blocked"));
    sandbox.exec("j", "true").silent(0);
    assert_eq!(sandbox.job("j")["skipped"], 0);
}

#[test]
fn a_resumed_job_is_neither_blocked_nor_healthy_before_its_first_run() {
    let sandbox = Sandbox::new();
    sandbox.exec("well", "true").silent(0);
    sandbox.fail("j", 3);
    sandbox.guard("resume j --reason repaired").silent(0);
    let sweep = sandbox.run::<_, &str>([]).code(1).stdout;
    assert!(
        sweep.starts_with(
            "Checked: 2 jobs\nHealthy: 1\nBlocked: 0\n\
             On probation: 1 (j — one failure blocks it again)\nPause instructions"
        ),
        "{sweep}"
    );
    let json = sandbox.run(["--json"]).code(1).json();
    assert_eq!(json["on_probation"], serde_json::json!(["j"]));
    let nagios = sandbox.guard("status --nagios").code(1).stdout;
    assert!(nagios.starts_with("CRON-GUARD WARNING - 1 on probation (j) |"), "{nagios}");
    sandbox.guard("report --html page.html").silent(0);
    let page = std::fs::read_to_string(sandbox.path("page.html")).unwrap();
    assert!(page.contains("<title>cron-guard: 1 job is on probation</title>"), "{page}");
    sandbox.exec("j", "true").silent(0);
    assert!(sandbox.run::<_, &str>([]).code(0).stdout.contains("Healthy: 2\nBlocked: 0\nPause"));
}

#[test]
fn status_and_the_report_know_what_is_due_before_any_sweep() {
    let mut sandbox = Sandbox::new();
    sandbox.settings("[job.hourly]\nevery = \"1h\"\ngrace = \"5m\"\n");
    sandbox.exec("hourly", "true").silent(0);
    sandbox.guard("job add silent --every 1h --grace 5m").silent(0);
    sandbox.clock("+66m");
    assert_eq!(sandbox.job("hourly")["overlays"], serde_json::json!(["late"]));
    assert_eq!(sandbox.job("silent")["overlays"], serde_json::json!(["never ran"]));
    let nagios = sandbox.guard("status --nagios").code(1).stdout;
    assert!(nagios.contains("2 late (hourly, silent)"), "{nagios}");
    let report = sandbox.guard("report --json").code(0).json();
    for job in report["jobs"].as_array().unwrap() {
        assert_eq!((&job["expected"], &job["missed"]), (&1.into(), &1.into()), "{job}");
    }
    // Nobody promised the start that the new interval would have had.
    sandbox.guard("job edit hourly --every 30m").silent(0);
    assert_eq!(sandbox.job("hourly")["overlays"], serde_json::json!([]));
    sandbox.guard("job remove silent").silent(0);
    sandbox.guard("status silent").code(1);
}
