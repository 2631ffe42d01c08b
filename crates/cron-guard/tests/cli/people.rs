//! What people read and write: declarations, status in its forms, reports, help.

use crate::sandbox::Sandbox;

#[test]
fn job_add_edit_and_remove_keep_the_comments_of_the_file() {
    let sandbox = Sandbox::new();
    let file = "# Mine.\n[defaults]\nthreshold = 4 # generous\n";
    sandbox.write(".config/cron-guard/guard.toml", file);
    sandbox.guard("job add nightly --schedule '0 2 * * *' --tz Europe/Berlin --label provider:x --tier mid --budget usd=5/24h").silent(0);
    let read = || std::fs::read_to_string(sandbox.path(".config/cron-guard/guard.toml")).unwrap();
    assert_eq!(
        read(),
        format!(
            "{file}\n[job.nightly]\nschedule = \"0 2 * * *\"\ntz = \"Europe/Berlin\"\nlabels = [\"provider:x\"]\ntier = \"mid\"\nbudget = [\"usd=5/24h\"]\n"
        )
    );
    sandbox.guard("job add nightly --every 1h").code(1);
    sandbox.guard("job edit nightly --every 1h --threshold 2").silent(0);
    assert!(read().contains("every = \"1h\"") && !read().contains("schedule"), "{}", read());
    let list = sandbox.guard("job list --json").code(0).json();
    assert_eq!((&list["threshold"], &list["every_seconds"]), (&2.into(), &3600.into()));
    assert!(sandbox.guard("history nightly").code(0).stdout.contains("JOB_EDIT"));
    sandbox.guard("job remove nightly").silent(0);
    assert_eq!(read(), file);
    sandbox.guard("job remove nightly").code(1);
    for wrong in [
        "job add a --schedule 'not one'",
        "job add a --schedule '0 0 30 2 *'",
        "job add a --schedule '0 2 * * *' --tz Berlin",
        "job add a --tier high --policy probe",
    ] {
        sandbox.guard(wrong).code(2);
        assert_eq!(read(), file, "nothing is written that is not understood");
    }
    sandbox.guard("job add a --threshold 0").code(2);
    sandbox.guard("job add a --every -5m").code(2);
}

#[test]
fn settings_that_somebody_named_and_that_are_not_there_are_an_error() {
    let sandbox = Sandbox::new();
    for line in ["check j", "status", "", "job list", "job edit j --every 1h", "job remove j"] {
        let error = sandbox.guard(&format!("--config ./lost.toml {line}")).code(3).stderr;
        assert!(
            error.starts_with("cron-guard: cannot read the settings ./lost.toml: "),
            "{line}: {error}"
        );
    }
    sandbox.guard("--config ./lost.toml exec j -- true").code(125);
    let by_variable =
        sandbox.command(["check", "j"]).env("CRON_GUARD_CONFIG", "./lost.toml").output().unwrap();
    assert_eq!(by_variable.status.code(), Some(3));
    let found = sandbox.guard("--config ./lost.toml doctor").code(1).stdout;
    assert!(found.contains("cannot read the settings ./lost.toml"), "{found}");
    sandbox.write("tab", "@daily /usr/bin/x\n");
    sandbox.guard("--config ./lost.toml crontab --print --file tab").code(0);
    sandbox.guard("--config ./lost.toml job add j --every 1h").silent(0);
    sandbox.guard("--config ./lost.toml check j").silent(0);
    sandbox.guard("--config ./new.toml crontab --install --file tab").code(0);
    assert!(sandbox.path("new.toml").exists());
    std::fs::remove_file(sandbox.path(".config/cron-guard/guard.toml")).unwrap();
    sandbox.guard("check j").silent(0);
}

#[test]
fn declarations_at_the_same_moment_are_all_kept_and_a_link_stays_one() {
    let sandbox = Sandbox::in_a_file();
    let path = sandbox.path(".config/cron-guard/guard.toml");
    let real = sandbox.path("repository-guard.toml");
    std::fs::rename(&path, &real).unwrap();
    std::os::unix::fs::symlink(&real, &path).unwrap();
    let children: Vec<_> = (0..12)
        .map(|n| {
            sandbox.command(["job", "add", &format!("c{n}"), "--every", "1h"]).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(path.symlink_metadata().unwrap().is_symlink());
    let text = std::fs::read_to_string(&real).unwrap();
    assert_eq!(text.matches("[job.c").count(), 12, "{text}");
}

#[test]
fn a_mistake_in_the_settings_is_an_error_for_check_and_keeps_exec_from_starting() {
    let sandbox = Sandbox::new();
    sandbox.write(".config/cron-guard/guard.toml", "[defaults]\ntreshold = 3\n");
    let error = sandbox.guard("check j").code(3).stderr;
    assert!(error.starts_with("cron-guard: cannot read the settings "), "{error}");
    assert!(
        error.contains("line 2, column 1: unknown field `treshold`")
            && error.contains("`threshold`"),
        "{error}"
    );
    sandbox.exec("j", "echo ran").code(125);
    let json = sandbox.guard("status --json").code(3).stderr;
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["error"]["code"],
        "settings"
    );
    sandbox.write(".config/cron-guard/guard.toml", "[job.j]\nschedule = \"0 2 * *\"\n");
    // A gate needs no schedule, so it does not fail for one.
    sandbox.guard("check j").silent(0);
    assert!(sandbox.guard("status").code(0).stdout.contains("line 2, column 12"));
}

#[test]
fn status_puts_problems_first_and_shows_the_last_outcomes() {
    let sandbox = Sandbox::new();
    sandbox.exec("a-fine", "true").silent(0);
    sandbox.exec("z-broken", "true").silent(0);
    sandbox.fail("z-broken", 3);
    sandbox.exec("z-broken", "true").silent(75);
    let status = sandbox.guard("status").code(0).stdout;
    let lines: Vec<&str> = status.lines().collect();
    assert!(lines[1].starts_with("z-broken  open    .xxx"), "{status}");
    assert!(lines[1].contains("3 consecutive failures; blocked 1x since "), "{status}");
    assert!(lines[2].starts_with("a-fine    closed  ."), "{status}");
    sandbox.guard("status nobody").code(1);
    let hostile = "x\u{202e}y";
    sandbox.exec(hostile, "true").silent(0);
    assert!(sandbox.guard("status").code(0).stdout.contains("x\\u{202e}y"));
}

#[test]
fn what_is_piped_has_whole_moments_and_a_retry_whose_time_has_come_is_due() {
    let mut sandbox = Sandbox::new();
    sandbox
        .settings("[job.j]\nevery = \"1h\"\n[alerts.command]\nargv = [\"/nonexistent/notify\"]\n");
    sandbox.clock("@1767261600000");
    sandbox.exec("j", "true").silent(0);
    for _ in 0..3 {
        sandbox.exec("j", "exit 1").code(1);
    }
    sandbox.exec("j", "true").code(75);
    let status = sandbox.guard("status").code(0).stdout;
    for part in [
        "3       2026-01-01T10:00:00.000Z  2026-01-01T11:00:00.000Z  3 consecutive",
        "blocked 1x since 2026-01-01T10:00:00.000Z\n",
    ] {
        assert!(status.contains(part), "{part}: {status}");
    }
    let list = sandbox.guard("alert list").code(0).stdout;
    assert!(list.contains(", again 2026-01-01T10:0"), "{list}");
    sandbox.clock("@1767348000000");
    assert!(sandbox.guard("alert list").code(0).stdout.ends_with("), due\n"));
}

#[test]
fn nagios_gets_one_line_and_its_code_and_prometheus_its_format() {
    let sandbox = Sandbox::new();
    sandbox.exec("a|b", "true").silent(0);
    let well = sandbox.guard("status --nagios").code(0).stdout;
    assert_eq!(
        well,
        "CRON-GUARD OK - 1 job healthy | jobs=1;;;0 blocked=0;;0;0 late=0;0;;0 flapping=0;0;;0\n"
    );
    sandbox.fail("a|b", 3);
    let line = sandbox.guard("status --nagios").code(2).stdout;
    assert!(line.starts_with("CRON-GUARD CRITICAL - 1 blocked (a_b) | "), "{line}");
    assert_eq!((line.lines().count(), line.matches('|').count()), (1, 1));
    sandbox.exec("q\"\\", "true").silent(0);
    sandbox.guard("status --prom metrics.prom").silent(0);
    let metrics = std::fs::read_to_string(sandbox.path("metrics.prom")).unwrap();
    assert!(metrics.contains("cron_guard_blocked{job=\"a|b\"} 1\n"), "{metrics}");
    assert!(metrics.contains("cron_guard_blocked{job=\"q\\\"\\\\\"} 0\n"), "{metrics}");
    let mut typed = std::collections::BTreeSet::new();
    for line in metrics.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(kind == "gauge" && typed.insert(name.to_owned()), "{line}");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            assert!(typed.contains(name) && value.parse::<f64>().is_ok(), "{line}");
        }
    }
    sandbox.write("not-a-database", "x".repeat(5000));
    let unknown = sandbox.guard("status --nagios --db not-a-database").code(3).stdout;
    assert!(unknown.starts_with("CRON-GUARD UNKNOWN - "), "{unknown}");
}

#[test]
fn history_shows_runs_and_who_did_what() {
    let sandbox = Sandbox::new();
    for _ in 0..3 {
        sandbox.exec("j", "echo no disk >&2; exit 1").code(1);
    }
    sandbox.guard("resume j --reason 'bought a disk'").silent(0);
    let history = sandbox.guard("history j").code(0).stdout;
    assert!(history.contains("RESUME") && history.contains("bought a disk (by "), "{history}");
    assert!(
        history.contains("TRIP") && history.contains("closed to open; 3 consecutive failures"),
        "{history}"
    );
    assert!(history.contains("no disk"), "{history}");
    let lines = sandbox.guard("history j --json --limit 2").code(0).stdout;
    assert_eq!(lines.lines().count(), 2);
    sandbox.guard("history nobody").code(1);
    sandbox.guard("history j --limit 0").code(2);
}

#[test]
fn what_is_wrong_in_a_declaration_is_wrong_usage_and_writes_nothing() {
    let sandbox = Sandbox::new();
    let read = || std::fs::read_to_string(sandbox.path(".config/cron-guard/guard.toml")).unwrap();
    let before = read();
    for (line, part) in [
        ("job add j --schedule '61 * * * *'", "'61 * * * *'"),
        ("job add j --schedule 'hello'", "1 of the five fields"),
        ("job add j --schedule '0 0 30 2 *'", "never due"),
        ("job add j --schedule '0 1 * * *' --tz Mars/Base", "time zone"),
        ("job add j --every 0s", "more than zero"),
        ("job add j --max-runtime 0", "more than zero"),
        ("job add j --threshold 0", "from 1 to 1000"),
        ("job add j --cooldown 36500d", "waits 1d at most"),
        ("job add j --tier high --policy probe", "tier high"),
        ("job add j --budget usd=nan/24h", "a number"),
        ("exec j --timeout 0 -- true", "more than zero"),
    ] {
        let refused = sandbox.guard(line).code(2);
        assert!(refused.stderr.contains(part), "{line}: {refused:?}");
        assert_eq!(read(), before, "{line}");
    }
}

#[test]
fn orders_and_previews_answer_in_json_when_they_are_asked_to() {
    let sandbox = Sandbox::new();
    sandbox.fail("j", 3);
    let acked = sandbox.guard("ack j --json").code(0).json();
    assert_eq!((&acked["job"], &acked["acknowledged"]), (&"j".into(), &true.into()));
    let resumed = sandbox.guard("resume j --reason x --json").code(0).json();
    assert_eq!((&resumed["resumed"], &resumed["fresh"]), (&true.into(), &false.into()));
    sandbox.write("tab", "@daily /usr/bin/x\n* * * * *\n");
    let printed = sandbox.guard("crontab --print --file tab --json").code(0).json();
    assert!(printed["crontab"].as_str().unwrap().contains("exec x --"), "{printed}");
    assert_eq!(printed["unread"][0]["line"], 2);
    let dry = sandbox.guard("crontab --install --dry-run --file tab --json").code(0).json();
    assert_eq!(dry["changes"][0]["before"], "@daily /usr/bin/x");
    assert_eq!(dry["changes"].as_array().unwrap().len(), 1);
}

#[test]
fn a_dash_in_place_of_a_file_is_stdout() {
    let sandbox = Sandbox::new();
    sandbox.fail("j", 3);
    let page = sandbox.guard("report --html -").code(0).stdout;
    assert!(page.starts_with("<!doctype html>"), "{page}");
    let metrics = sandbox.guard("status --prom -").code(0).stdout;
    assert!(metrics.contains("cron_guard_blocked{job=\"j\"} 1\n"), "{metrics}");
    let document = sandbox.guard("--output -").code(1).json();
    assert_eq!((&document["version"], &document["blocked"][0]["job"]), (&1.into(), &"j".into()));
    assert_eq!(sandbox.guard("--json --output -").code(1).json()["output"], "-");
    assert!(!sandbox.path("-").exists());
}

#[test]
fn a_schedule_that_is_none_is_told_of_its_job_and_hides_no_other() {
    let sandbox = Sandbox::new();
    sandbox.settings("[job.a]\nschedule = \"0 2 * *\"\n[job.b]\nschedule = \"0 2 * * *\"\ntz = \"Mars\"\n[job.c]\nevery = \"1h\"\n");
    sandbox.fail("c", 3);
    sandbox.exec("a", "true").silent(0);
    let sweep = sandbox.run::<_, &str>([]).code(1);
    let a =
        "guard.toml, line 2, column 12: `0 2 * *` is not a schedule: it has 4 of the five fields";
    let b = "guard.toml, line 5, column 6: `Mars` is not a time zone; write it as Europe/Berlin";
    assert_eq!(
        sweep.stdout.lines().collect::<Vec<_>>(),
        [
            "Checked: 3 jobs",
            "Healthy: 0",
            "Blocked: 1 (c — 3 consecutive failures)",
            &format!("Misdeclared: 2 (a — {a}, b — {b})"),
            "Pause instructions written to ~/.local/state/cron-guard/blocked.json",
        ]
    );
    let status = sandbox.guard("status").code(0).stdout;
    assert!(status.contains(a) && status.contains("c    open"), "{status}");
    assert_eq!(sandbox.job("a")["overlays"], serde_json::json!(["misdeclared"]));
    let nagios = sandbox.guard("status --nagios").code(2).stdout;
    assert!(nagios.contains("1 blocked (c), 2 misdeclared (a, b)"), "{nagios}");
    let doctor = sandbox.guard("doctor").code(1).stdout;
    assert!(
        doctor.contains("line 2, column 12") && doctor.contains("line 5, column 6"),
        "{doctor}"
    );
    sandbox.guard("report").code(0);
    assert!(sandbox.guard("job list").code(0).stderr.contains("line 5, column 6"));
    // What is wrong with one job keeps nobody from changing another, or from correcting it.
    sandbox.guard("job edit c --every 2h").silent(0);
    sandbox.guard("job edit a --schedule '0 2 * * *'").silent(0);
    assert_eq!(sandbox.job("a")["overlays"], serde_json::json!([]));
}

#[test]
fn a_declaration_says_what_came_of_it() {
    let sandbox = Sandbox::new();
    for (line, changes) in [
        ("job add q", "declared"),
        ("job edit q", "nothing changed"),
        ("job edit q --threshold 2", "threshold 3 to 2"),
        ("job remove q", "no longer declared: threshold 2 to 3"),
        ("job add q --tier mid", "declared: tier low to mid"),
    ] {
        let json = sandbox.guard(&format!("{line} --json")).code(0).json();
        assert_eq!(json["changes"], changes, "{line}");
    }
}

#[test]
fn completions_know_the_jobs() {
    let sandbox = Sandbox::new();
    sandbox.settings("[job.nightly-backup]\n");
    sandbox.exec("nightly-report", "true").silent(0);
    sandbox.exec("hourly", "true").silent(0);
    let complete = |words: &[&str]| -> Vec<String> {
        let output = sandbox
            .command(["--"])
            .env("_CRON_GUARD_COMPLETE", "fish")
            .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    };
    assert_eq!(complete(&["cron-guard", "resume", "night"]), ["nightly-backup", "nightly-report"]);
    assert_eq!(complete(&["cron-guard", "exec", "h"]), ["hourly"]);
    assert_eq!(complete(&["cron-guard", "re"]), ["report", "release", "resume"]);
}

#[test]
fn every_help_has_examples_and_completions_are_printed() {
    let sandbox = Sandbox::new();
    for verb in [
        "",
        "check",
        "exec",
        "status",
        "history",
        "report",
        "hold",
        "release",
        "resume",
        "ack",
        "job",
        "job list",
        "job add",
        "job edit",
        "job remove",
        "crontab",
        "alert",
        "alert test",
        "alert list",
        "alert retry",
        "doctor",
        "completions",
    ] {
        let help = sandbox.guard(&format!("{verb} --help")).code(0).stdout;
        assert!(help.contains("Examples:") && help.contains("Environment:"), "{verb}: {help}");
        assert_eq!(
            help.lines()
                .skip_while(|line| !line.starts_with("Examples:"))
                .filter(|line| line.starts_with("  cron-guard "))
                .count(),
            2,
            "{verb}"
        );
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            sandbox.guard(&format!("completions {shell}")).code(0).stdout.contains("cron-guard")
        );
    }
}

#[test]
fn a_job_on_probation_is_not_blocked_and_one_that_was_only_skipped_is_known() {
    let sandbox = Sandbox::new();
    sandbox.fail("j", 3);
    sandbox.guard("resume j --reason repaired").silent(0);
    let no = sandbox.guard("ack j").code(1);
    assert_eq!(no.stderr, "cron-guard: `j` is not blocked\n");
    sandbox.guard("exec other --spacing g=30m -- true").silent(0);
    sandbox.guard("exec skipped --spacing g=30m -- true").silent(75);
    sandbox.guard("history skipped").code(0);
    for line in ["ack skipped", "ack nobody"] {
        let word = if line.ends_with("nobody") { "there is no job" } else { "is not blocked" };
        assert!(sandbox.guard(line).code(1).stderr.contains(word), "{line}");
    }
    sandbox.guard("history nobody").code(1);
}
