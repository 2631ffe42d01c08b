//! Agents cannot quietly undo what a person decided: not a hold, not a block, not by an edit.

use crate::sandbox::{Done, Sandbox};

/// A sandbox whose settings allow nothing without a terminal.
fn strict(settings: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.settings(settings);
    sandbox
}

/// Runs the guard as a person at a terminal does.
fn at_terminal(sandbox: &Sandbox, line: &str) -> Done {
    let command = format!("{} {line}", env!("CARGO_BIN_EXE_cron-guard"));
    let output = sandbox
        .program("/usr/bin/script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .output()
        .unwrap();
    Done {
        code: output.status.code(),
        signal: None,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::new(),
    }
}

#[test]
fn what_a_person_holds_only_a_person_releases() {
    let sandbox = strict("");
    let held = at_terminal(&sandbox, "hold j --reason 'the server moves'").code(0);
    assert!(held.stdout.contains("job:j is held"), "{held:?}");
    let refused = sandbox.guard("release j --reason 'it looked free'").code(3);
    assert_eq!(
        refused.stderr.lines().next(),
        Some("cron-guard: cannot release `job:j` without a terminal")
    );
    sandbox.guard("check j").silent(75);
    at_terminal(&sandbox, "release j --reason 'it has moved'").code(0);
    sandbox.guard("check j").silent(0);
    let history = sandbox.guard("history j").code(0).stdout;
    let at = |word: &str| history.find(word).unwrap();
    assert!(at("RELEASE") < at("HOLD") && history.contains("/dev/pts/"), "{history}");
    // Where the settings say so, a process may; what a process holds, a process releases.
    sandbox.guard("hold j --reason agent").silent(0);
    sandbox.guard("release j --reason agent").silent(0);
    at_terminal(&sandbox, "hold --all --reason 'a quiet day'").code(0);
    sandbox.settings("[defaults]\nallow_unattended_resume = true\n");
    sandbox.guard("release --all --reason 'the day is over'").silent(0);
}

#[test]
fn the_guards_own_hold_is_ended_by_a_person() {
    let sandbox = Sandbox::new();
    sandbox.fail("j", 3);
    for _ in 0..3 {
        sandbox.guard("resume j --reason hope").silent(0);
        sandbox.fail("j", 1);
    }
    assert_eq!(sandbox.job("j")["state"], "held");
    sandbox.settings("");
    sandbox.guard("release j --reason hope").code(3);
    at_terminal(&sandbox, "release j --reason 'repaired at last'").code(0);
    assert_eq!(sandbox.job("j")["state"], "open");
}

#[test]
fn an_edit_that_lets_a_blocked_job_run_is_on_record_and_shows() {
    let sandbox = strict("# Mine.\n[job.j]\ntier = \"low\" # for now\n");
    sandbox.fail("j", 3);
    sandbox.guard("job edit j --threshold 10 --reason 'three is few'").silent(0);
    sandbox.guard("check j").silent(75);
    assert!(sandbox.job("j")["unblocked_by"].is_null(), "a higher threshold opens nothing");
    sandbox.guard("job edit j --mode observe --reason 'it must run'").silent(0);
    sandbox.guard("check j").silent(0);
    let job = sandbox.job("j");
    assert_eq!((&job["state"], &job["blocked"]), (&"observe".into(), &false.into()), "{job}");
    let edit = &job["unblocked_by"];
    assert_eq!((&edit["from"], &edit["to"]), (&"open".into(), &"observe".into()), "{edit}");
    assert_eq!(edit["reason"], "mode enforce to observe: it must run");
    let actor = edit["actor"].as_str().unwrap();
    assert!(actor.contains("uid ") && actor.contains("no terminal"), "{actor}");
    let status = sandbox.guard("status").code(0).stdout;
    assert!(status.contains("mode enforce to observe: it must run (by "), "{status}");
    let history = sandbox.guard("history j").code(0).stdout;
    for part in ["JOB_EDIT", "open to observe", "threshold 3 to 10: three is few"] {
        assert!(history.contains(part), "{part}: {history}");
    }
    // The end of the block is the end of the remark.
    sandbox.guard("job remove j").silent(0);
    assert_eq!(sandbox.job("j")["state"], "open");
}

#[test]
fn what_loosens_the_gate_of_a_blocked_job_needs_a_reason_without_a_terminal() {
    let sandbox = strict("[job.j]\ntier = \"low\"\n[job.well]\n");
    sandbox.exec("well", "true").silent(0);
    sandbox.fail("j", 3);
    let settings = sandbox.path(".config/cron-guard/guard.toml");
    let before = std::fs::read_to_string(&settings).unwrap();
    for line in
        ["job edit j --mode observe", "job edit j --threshold 100", "job edit j --policy probe"]
    {
        let refused = sandbox.guard(line).code(2);
        assert_eq!(
            refused.stderr, "cron-guard: `j` is blocked, so a reason is needed: --reason TEXT\n",
            "{line}"
        );
        sandbox.guard(&format!("{line} --reason ' '")).code(2);
    }
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), before);
    sandbox.guard("check j").silent(75);
    sandbox.guard("job edit j --owner me --every 2h").silent(0);
    sandbox.guard("job edit well --mode observe").silent(0);
    at_terminal(&sandbox, "job edit j --threshold 9").code(0);
    sandbox.guard("job edit j --mode observe --reason 'it must run'").silent(0);
    sandbox.guard("check j").silent(0);
}

#[test]
fn orders_about_a_label_and_about_all_stand_in_the_history_of_each_job() {
    let sandbox = strict("[job.a]\nlabels = [\"provider:x\"]\n[job.b]\n");
    sandbox.guard("hold --label provider:x --reason 'their outage'").silent(0);
    sandbox.guard("hold --all --reason 'a quiet day'").silent(0);
    let a = sandbox.guard("history a").code(0).stdout;
    let b = sandbox.guard("history b").code(0).stdout;
    assert!(a.contains("their outage") && a.contains("a quiet day"), "{a}");
    assert!(!b.contains("their outage") && b.contains("a quiet day"), "{b}");
}

#[test]
fn the_command_that_the_hand_off_names_ends_the_pause() {
    let sandbox = Sandbox::in_a_file();
    sandbox.settings(
        "[defaults]\nallow_unattended_resume = true\n[job.a]\nlabels = [\"provider:x\"]\n\
         [job.c]\nbudget = [\"runs=1/24h\"]\n",
    );
    sandbox.guard("hold --label provider:x --reason 'their outage'").silent(0);
    sandbox.run(["hold", "--reason", "why", "--", "-b"]).code(0);
    sandbox.exec("c", "true").silent(0);
    let blocked = |job: &str| {
        sandbox.run(["--quiet"]).silent(1);
        let text =
            std::fs::read_to_string(sandbox.path(".local/state/cron-guard/blocked.json")).unwrap();
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let found = document["blocked"].as_array().unwrap().iter().find(|b| b["job"] == job);
        found.map(|found| {
            let argv: Vec<String> = serde_json::from_value(found["resume"].clone()).unwrap();
            argv
        })
    };
    let refused = sandbox.guard("resume a --reason x").code(3);
    assert_eq!(
        refused.stderr,
        "cron-guard: cannot resume `a`: it is held: their outage\n  hint: end the hold first: \
         cron-guard release --reason 'why it is over' --label provider:x\n"
    );
    assert_eq!(blocked("c").unwrap(), Vec::<String>::new(), "the window slides on by itself");
    let argv = blocked("a").unwrap();
    sandbox.run(&argv[1..]).silent(0);
    assert!(blocked("a").is_none());
    sandbox.run(["check", "--", "-b"]).silent(75);
}

#[test]
fn what_a_hold_is_on_shows_and_a_release_of_the_job_alone_names_it() {
    let sandbox = strict("[job.a]\nlabels = [\"lb\"]\n");
    sandbox.guard("hold --label lb --reason outage").silent(0);
    let reason = "held (label:lb): outage";
    let checked = sandbox.guard("check a --json").code(75).json();
    assert_eq!((&checked["reason"], &checked["hold"]), (&reason.into(), &"label:lb".into()));
    assert_eq!(sandbox.job("a")["hold"], "label:lb");
    assert!(sandbox.guard("status").code(0).stdout.contains(reason));
    sandbox.run(["--quiet"]).silent(1);
    let path = sandbox.path(".local/state/cron-guard/blocked.json");
    assert!(std::fs::read_to_string(path).unwrap().contains(reason));
    let refused = sandbox.guard("release a --reason over").code(1).stderr;
    assert!(
        refused.starts_with(
            "cron-guard: there is no hold on job:a itself, but one on label:lb: cron-guard release "
        ) && refused.ends_with(" --label lb\n"),
        "{refused}"
    );
}

#[test]
fn a_hold_on_a_job_that_nobody_knows_is_warned_of_and_listed_until_the_job_comes() {
    let sandbox = strict("");
    let held = sandbox.guard("hold nihgtly --reason x").code(0);
    assert_eq!(
        held.stderr,
        "cron-guard: warning: no job nihgtly is known yet; the hold waits for it\n"
    );
    let line = "job:nihgtly is held, and concerns no job: x\n";
    assert!(sandbox.guard("status").code(0).stdout.contains(line));
    let json = sandbox.guard("status --json").code(0).json();
    assert_eq!(json["idle_holds"], serde_json::json!(["job:nihgtly"]));
    let doctor = sandbox.guard("doctor").code(1).stdout;
    assert!(
        doctor.contains("the hold on job:nihgtly concerns no job that is known: x"),
        "{doctor}"
    );
    sandbox.exec("nihgtly", "true").silent(75);
    assert!(!sandbox.guard("status").code(0).stdout.contains(line));
    sandbox.guard("hold nihgtly --reason again").silent(0);
}
