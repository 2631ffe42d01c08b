//! Nights with a real cron daemon: what is told in the morning, and what is not.

use std::fmt::Write as _;

use rustix::process::Signal;

use crate::cron::{LIMIT, begin, faketime, n_runs, told, wait_for};
use crate::sandbox::Sandbox;

#[test]
fn a_night_with_twenty_jobs_ends_with_exactly_the_alerts_that_should_be_there() {
    let Some(library) = faketime() else { return };
    let sandbox = Sandbox::new();
    // A busy machine may be some seconds late, and a second is five minutes here.
    let mut settings =
        String::from("[defaults]\nallow_unattended_resume = true\ngrace = \"30m\"\n");
    let mut lines = Vec::new();
    for n in 1..=16 {
        let _ = write!(settings, "[job.fine-{n}]\nschedule = \"*/10 * * * *\"\ntz = \"UTC\"\n");
        lines.push(format!("*/10 * * * * root tick cron-guard exec fine-{n} -- true"));
    }
    settings.push_str(
        "[job.broken]\nevery = \"10m\"\n[job.hanging]\nevery = \"10m\"\n\
         [job.late]\nevery = \"10m\"\ngrace = \"9m\"\n[job.spender]\nevery = \"10m\"\nbudget = [\"runs=5/24h\"]\n",
    );
    sandbox.settings(&settings);
    sandbox.write("broken", "");
    lines.push(
        "*/10 * * * * root tick cron-guard exec broken -- sh -c '[ ! -e broken ]'".to_owned(),
    );
    lines.push(
        "*/10 * * * * root tick cron-guard exec hanging --timeout 0.5 -- sleep 300".to_owned(),
    );
    lines.push("*/10 * * * * root tick cron-guard exec spender -- true".to_owned());
    lines.push("*/5 * * * * root tick cron-guard".to_owned());
    // It ran in the evening, and its line has been lost since.
    sandbox.exec("late", "true").silent(0);
    let mut night = begin(&sandbox, &library, None, "UTC", &lines);
    let wrong =
        ["budget spender", "budget_warning spender", "late late", "trip broken", "trip hanging"];
    wait_for("the night's alerts", LIMIT, &sandbox, || {
        told(&sandbox).len() >= wrong.len() || night.is_over()
    });
    assert_eq!(told(&sandbox), wrong);
    // In the morning somebody repairs the one and resumes it.
    std::fs::remove_file(sandbox.path("broken")).unwrap();
    sandbox.guard("resume broken --reason repaired").silent(0);
    wait_for("the recovery", LIMIT, &sandbox, || told(&sandbox).len() > wrong.len());
    let before = n_runs(&sandbox, "fine-1");
    wait_for("two more ticks", LIMIT, &sandbox, || n_runs(&sandbox, "fine-1") >= before + 2);
    drop(night);
    let mut all: Vec<&str> = wrong.to_vec();
    all.insert(3, "recovered broken");
    assert_eq!(told(&sandbox), all, "and nothing else, however often the blocked ticks came");
    assert!(n_runs(&sandbox, "fine-16") >= 4);
}

/// Lets a night pass in Berlin in which the clocks change; a job is due at 02:30, and nothing is told.
fn clocks_change(local: &str, start: i64, minutes: i64) {
    let Some(library) = faketime() else { return };
    let sandbox = Sandbox::new();
    sandbox.settings(
        "[job.nightly]\nschedule = \"30 2 * * *\"\ntz = \"Europe/Berlin\"\ngrace = \"20m\"\n",
    );
    let lines = [
        "30 2 * * * root tick cron-guard exec nightly -- true".to_owned(),
        "*/5 * * * * root tick cron-guard exec minutely -- true".to_owned(),
        "1-59/5 * * * * root tick cron-guard".to_owned(),
    ];
    let night = begin(&sandbox, &library, Some((local, start)), "Europe/Berlin", &lines);
    wait_for("the slot and its grace", LIMIT, &sandbox, || {
        night.now() > start + minutes * 60_000 && n_runs(&sandbox, "minutely") >= 12
    });
    assert_eq!(n_runs(&sandbox, "nightly"), 1);
    assert!(told(&sandbox).is_empty(), "{:?}", told(&sandbox));
}

#[test]
fn on_the_day_that_lacks_an_hour_the_nightly_job_runs_once_and_is_not_late() {
    // 20 minutes before the clocks go forward, until 03:55.
    clocks_change("2026-03-29 01:40:00", 1_774_744_800_000, 75);
}

#[test]
fn on_the_day_that_has_an_hour_twice_the_nightly_job_runs_once_and_is_not_late() {
    // 02:20 in summer time; 02:30 comes again an hour later, and its grace passes, too.
    clocks_change("2026-10-25 02:20:00", 1_792_887_600_000, 105);
}

#[test]
fn a_cron_that_stands_still_for_half_an_hour_is_told_of_once_and_catches_up() {
    let Some(library) = faketime() else { return };
    let mut sandbox = Sandbox::new();
    sandbox.settings("[job.poll]\nevery = \"5m\"\ngrace = \"10m\"\n[job.other]\n");
    let lines = [
        "*/5 * * * * root tick cron-guard exec poll -- true".to_owned(),
        "*/5 * * * * root tick cron-guard exec other -- true".to_owned(),
    ];
    let night = begin(&sandbox, &library, None, "UTC", &lines);
    wait_for("three ticks", LIMIT, &sandbox, || n_runs(&sandbox, "poll") >= 3);
    night.signal_cron(Signal::STOP);
    let stopped = night.now();
    let before = n_runs(&sandbox, "poll");
    // Somebody else than this cron sweeps, as a timer does.
    let mut n_sweeps = 0;
    while night.now() < stopped + 30 * 60_000 {
        sandbox.clock(&format!("@{}", night.now()));
        sandbox.run(["--quiet"]);
        n_sweeps += 1;
    }
    assert!(n_sweeps > 3);
    assert_eq!(told(&sandbox), ["late poll"]);
    assert_eq!(sandbox.job("poll")["overlays"], serde_json::json!(["late"]));
    night.signal_cron(Signal::CONT);
    wait_for("two more ticks", LIMIT, &sandbox, || n_runs(&sandbox, "poll") >= before + 2);
    sandbox.clock(&format!("@{}", night.now()));
    sandbox.run(["--quiet"]);
    assert_eq!(sandbox.job("poll")["missed"], serde_json::Value::Null);
    assert_eq!(told(&sandbox), ["late poll"], "once, and not for each of the missed ticks");
}
