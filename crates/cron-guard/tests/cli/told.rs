//! What is told and what is not: recoveries, groups, reminders, flapping, jobs that are only watched.

use crate::alerts::{ALLOW, sent, with_command};
use crate::exec::wait_until;
use crate::sandbox::Sandbox;

#[test]
fn a_recovery_is_told_only_to_who_heard_of_the_trip() {
    let sandbox = with_command("exit 1");
    sandbox.fail("j", 3);
    sandbox.guard("resume j --reason repaired").silent(0);
    sandbox.exec("j", "true").silent(0);
    let list = sandbox.guard("alert list --json").code(0).stdout;
    assert_eq!(list.lines().count(), 1, "{list}");
}

#[test]
fn a_recovery_after_a_fresh_resume_is_told_once_too() {
    let sandbox = with_command("cat >> $HOME/sent");
    sandbox.fail("j", 3);
    sandbox.guard("resume j --fresh --reason rewritten").silent(0);
    sandbox.fail("j", 1);
    sandbox.exec("j", "true").silent(0);
    sandbox.exec("j", "true").silent(0);
    let told: Vec<_> = sent(&sandbox).iter().map(|alert| alert["event"].clone()).collect();
    assert_eq!(told, ["trip", "recovered"]);
}

#[test]
fn a_job_that_is_only_watched_is_told_as_one_that_would_be_blocked() {
    let sandbox = Sandbox::in_a_file();
    sandbox.settings("[job.j]\nmode = \"observe\"\n");
    sandbox.fail("j", 3);
    let alert = &sandbox.alerts()[0];
    assert_eq!(alert["title"], "j would be blocked (observe)");
    assert_eq!(alert["state"], "observe");
    assert!(alert["text"].as_str().unwrap().starts_with("j would be blocked (observe): 3 cons"));
    sandbox.write(".config/cron-guard/guard.toml", "[job.k]\nmode = \"observe\"\n");
    sandbox.fail("k", 2);
    let third = sandbox.exec("k", "exit 1").code(1);
    assert!(third.stderr.contains("warning: k would be blocked (observe): 3 consecutive failures"));
}

#[test]
fn jobs_of_one_label_that_trip_together_are_told_as_one_after_the_first() {
    let mut sandbox = Sandbox::in_a_file();
    let jobs: String = ["a", "b", "c", "d"]
        .map(|job| format!("[job.{job}]\nlabels = [\"provider:x\"]\n"))
        .concat();
    sandbox.settings(&format!("{ALLOW}{jobs}"));
    for job in ["a", "b", "c", "d"] {
        sandbox.fail(job, 3);
    }
    assert_eq!(sandbox.events(), ["trip"], "the first leaves at once");
    sandbox.clock("+11m");
    sandbox.guard("check a").silent(75);
    wait_until(|| sandbox.events() == ["trip", "trip_group"]);
    let group = &sandbox.alerts()[1];
    assert_eq!(group["jobs"], serde_json::json!(["b", "c", "d"]));
    assert!(group["text"].as_str().unwrap().contains("cron-guard resume c --reason"));
}

#[test]
fn the_digest_reminds_once_a_day_of_what_is_not_acknowledged() {
    let mut sandbox = Sandbox::new();
    sandbox.fail("a", 3);
    sandbox.fail("b", 3);
    for clock in ["+0s", "+20h", "+25h", "+26h"] {
        sandbox.clock(clock);
        sandbox.run::<_, &str>([]).code(1);
    }
    assert_eq!(sandbox.events(), ["trip", "trip", "digest"]);
    assert_eq!(sandbox.alerts()[2]["jobs"].as_array().unwrap().len(), 2);
    sandbox.guard("ack a").silent(0);
    sandbox.guard("ack nobody").code(1);
    sandbox.clock("+50h");
    sandbox.run::<_, &str>([]).code(1);
    assert_eq!(sandbox.alerts()[3]["jobs"][0]["job"], "b");
    assert_eq!(sandbox.alerts()[3]["jobs"].as_array().unwrap().len(), 1);
}

#[test]
fn flapping_is_told_at_its_start_and_at_its_end_and_not_between() {
    let sandbox = Sandbox::new();
    for _ in 0..6 {
        sandbox.fail("j", 2);
        sandbox.exec("j", "true").silent(0);
    }
    assert_eq!(sandbox.events(), ["flapping"]);
    for _ in 0..18 {
        sandbox.exec("j", "true").silent(0);
    }
    assert_eq!(sandbox.events(), ["flapping", "steady"]);
}
