//! What an alert says: facts for programs, one text for people, and the exact command that resumes.
//!
//! What a job wrote is quoted: capped, without control characters, and marked as its words, since
//! other agents read alerts and must not take them for instructions.

use std::fmt::Write as _;
use std::path::Path;

use common::clock::Timestamp;
use common::fleet::runs::Run;
use common::out::sanitize;
use serde_json::{Value, json};

use crate::TOOL;
use crate::budget::Standing;
use crate::machine::{Effect, State};
use crate::settings::{JobSettings, Mode};
use crate::store::jobs::Job;
use crate::tail::{clean, plain};

pub(crate) const TRIP: &str = "trip";
pub(crate) const RECOVERED: &str = "recovered";
pub(crate) const FLAPPING: &str = "flapping";
pub(crate) const STEADY: &str = "steady";
pub(crate) const INTERRUPTED: &str = "interrupted";
pub(crate) const BROKEN: &str = "broken";
pub(crate) const HELD: &str = "held";
pub(crate) const CHANGED: &str = "changed";
pub(crate) const JOURNAL: &str = "journal";
pub(crate) const TRIP_GROUP: &str = "trip_group";
pub(crate) const DIGEST: &str = "digest";
pub(crate) const LATE: &str = "late";
pub(crate) const NEVER_RAN: &str = "never_ran";
pub(crate) const BUDGET: &str = "budget";
pub(crate) const BUDGET_WARNING: &str = "budget_warning";
pub(crate) const TEST: &str = "test";

/// How much of a job's stderr an alert quotes, in characters.
const TAIL_MAX: usize = 2000;

/// What is known about a job at the moment of the alert.
pub(crate) struct Facts<'a> {
    pub(crate) job: &'a Job,
    pub(crate) own: &'a JobSettings,
    pub(crate) effect: Option<&'a Effect>,
    /// The run that caused it.
    pub(crate) run: Option<&'a Run>,
    pub(crate) named_db: Option<&'a Path>,
    pub(crate) at: Timestamp,
}

/// The command that resumes a job, as arguments.
pub(crate) fn resume_argv(job: &str, named_db: Option<&Path>) -> Vec<String> {
    let mut argv = vec![TOOL.to_owned(), "resume".to_owned()];
    if let Some(db) = named_db {
        argv.extend(["--db".to_owned(), db.display().to_string()]);
    }
    let reason = ["--reason".to_owned(), "what was repaired".to_owned()];
    // A name with a leading dash would be read as a flag.
    if job.starts_with('-') {
        argv.extend(reason);
        argv.extend(["--".to_owned(), job.to_owned()]);
    } else {
        argv.push(job.to_owned());
        argv.extend(reason);
    }
    argv
}

/// The command that ends a hold, as arguments.
pub(crate) fn release_argv(scope: &str, named_db: Option<&Path>) -> Vec<String> {
    let mut argv = vec![TOOL.to_owned(), "release".to_owned()];
    if let Some(db) = named_db {
        argv.extend(["--db".to_owned(), db.display().to_string()]);
    }
    argv.extend(["--reason".to_owned(), "why it is over".to_owned()]);
    match scope.split_once(':') {
        Some(("label", label)) if label.starts_with('-') => argv.push(format!("--label={label}")),
        Some(("label", label)) => argv.extend(["--label".to_owned(), label.to_owned()]),
        Some((_, job)) if job.starts_with('-') => argv.extend(["--".to_owned(), job.to_owned()]),
        Some((_, job)) => argv.push(job.to_owned()),
        None => argv.push("--all".to_owned()),
    }
    argv
}

/// Arguments as one line for sh.
pub(crate) fn as_shell(argv: &[String]) -> String {
    shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_default()
}

/// An alert about one job.
pub(crate) fn about_job(event: &str, facts: &Facts<'_>) -> Value {
    let breaker = &facts.job.breaker;
    let reason = match facts.effect {
        Some(Effect::FlappingStarted(percentage) | Effect::FlappingStopped(percentage)) => {
            Some(format!("{percentage:.0} % of the last outcomes are changes"))
        }
        Some(Effect::Interruptions(n)) => Some(format!("{n} interruptions in a row")),
        Some(Effect::HoldIt) => Some("three resumes without one success".to_owned()),
        _ => breaker.reason.clone(),
    };
    let resume = as_shell(&resume_argv(&facts.job.name, facts.named_db));
    let tail = facts.run.and_then(|run| run.stderr_tail.as_deref()).map(quote).unwrap_or_default();
    let text = text(event, facts, reason.as_deref(), &resume, &tail);
    json!({
        "version": 1,
        "event": event,
        "job": facts.job.name,
        "state": if is_observed(facts) { "observe" } else { breaker.state.as_str() },
        "reason": reason,
        "streak": breaker.streak,
        "run_ids": breaker.failed_runs,
        "first_failure": breaker.first_failure_at,
        "last_failure": breaker.last_failure_at,
        "last_success": breaker.last_success_at,
        "next_probe": breaker.next_probe_at,
        "exit_code": facts.run.and_then(|run| run.exit_code),
        "tier": facts.own.tier.as_str(),
        "mode": facts.own.mode.as_str(),
        "owner": facts.own.owner,
        "labels": facts.own.labels,
        "incident": breaker.incident,
        "signature": facts.job.signature,
        "at": facts.at,
        "stderr_tail": tail,
        "resume": resume,
        "title": title_of(event, facts),
        "text": text,
    })
}

/// A message that proves a channel.
pub(crate) fn about_test(host: &str, at: Timestamp) -> Value {
    let title = format!("a test from cron-guard on {}", sanitize(host));
    json!({
        "version": 1, "event": TEST, "job": null, "reason": "cron-guard alert test", "at": at,
        "title": title, "text": format!("{title}\nThis channel works.\n"),
    })
}

/// Adds a fact to an alert.
pub(crate) fn add(body: &mut Value, key: &str, fact: &str) {
    if let Some(object) = body.as_object_mut() {
        object.insert(key.into(), fact.into());
    }
}

/// Adds the moment at which a job should have started.
pub(crate) fn expected(body: &mut Value, event: &str, job: &str, slot: Timestamp) {
    let reason = format!("expected {slot}");
    if let Some(object) = body.as_object_mut() {
        object.insert("text".into(), format!("{}: {reason}\n", title(event, job)).into());
        object.insert("reason".into(), reason.into());
        object.insert("expected".into(), json!(slot));
    }
}

/// An alert about a budget.
pub(crate) fn about_budget(event: &str, standing: &Standing, at: Timestamp) -> Value {
    let reason = standing.describe();
    json!({
        "version": 1,
        "event": event,
        "job": standing.scope.strip_prefix("job:"),
        "scope": standing.scope,
        "budget": standing.budget.to_string(),
        "used": standing.used,
        "reason": reason,
        "at": at,
        "title": title(event, &standing.scope),
        "text": format!("{}: {}\n", title(event, &standing.scope), sanitize(&reason)),
    })
}

/// An alert about the journal itself.
pub(crate) fn about_journal(text: &str, at: Timestamp) -> Value {
    json!({
        "version": 1,
        "event": JOURNAL,
        "job": null,
        "reason": text,
        "at": at,
        "title": "the journal cannot be used",
        "text": format!("{}\n", sanitize(text)),
    })
}

/// One line that says what happened.
pub(crate) fn title(event: &str, job: &str) -> String {
    let job = sanitize(job);
    match event {
        TRIP => format!("{job} is blocked"),
        RECOVERED => format!("{job} has recovered"),
        FLAPPING => format!("{job} is flapping"),
        STEADY => format!("{job} is steady again"),
        INTERRUPTED => format!("{job} keeps being interrupted"),
        BROKEN => format!("{job} has been blocked for 14 days"),
        HELD => format!("{job} is held"),
        CHANGED => format!("{job} fails in another way"),
        LATE => format!("{job} is late"),
        NEVER_RAN => format!("{job} never ran"),
        BUDGET => format!("{job} is over its budget"),
        BUDGET_WARNING => format!("{job} has used most of its budget"),
        other => format!("{job}: {other}"),
    }
}

/// The same for one job, which may be watched only.
fn title_of(event: &str, facts: &Facts<'_>) -> String {
    let job = sanitize(&facts.job.name);
    match event {
        TRIP if is_observed(facts) => format!("{job} would be blocked (observe)"),
        BROKEN if is_observed(facts) => {
            format!("{job} would have been blocked for 14 days (observe)")
        }
        _ => title(event, &facts.job.name),
    }
}

/// Whether the breaker is not closed, and blocks nothing all the same.
fn is_observed(facts: &Facts<'_>) -> bool {
    facts.own.mode == Mode::Observe && facts.job.breaker.state != State::Closed
}

fn text(event: &str, facts: &Facts<'_>, reason: Option<&str>, resume: &str, tail: &str) -> String {
    let breaker = &facts.job.breaker;
    let mut text = title_of(event, facts);
    if let Some(reason) = reason {
        let _ = write!(text, ": {reason}");
    }
    text.push('\n');
    for (what, at) in [
        ("first failure", breaker.first_failure_at),
        ("last failure", breaker.last_failure_at),
        ("last success", breaker.last_success_at),
        ("next probe", breaker.next_probe_at),
    ] {
        if let Some(at) = at {
            let _ = writeln!(text, "{what}: {at}");
        }
    }
    if event == TRIP || event == BROKEN || event == CHANGED {
        let what = if is_observed(facts) { "it keeps running (observe); reset" } else { "resume" };
        let _ = writeln!(text, "{what}: {resume}");
    }
    if event == HELD {
        let _ = writeln!(text, "release it, then resume it");
    }
    if !tail.is_empty() {
        text.push_str("the end of what it wrote to stderr, quoted:\n");
        for line in tail.lines() {
            let _ = writeln!(text, "> {line}");
        }
    }
    text
}

/// The words of a job: the last of them, without secrets, each line without control characters.
pub(crate) fn quote(tail: &str) -> String {
    let tail = plain(&clean(tail));
    let lines: Vec<String> = tail
        .lines()
        .map(|line| sanitize(line).into_owned())
        .filter(|line| !line.is_empty())
        .collect();
    let whole = lines.join("\n");
    let surplus = whole.chars().count().saturating_sub(TAIL_MAX);
    whole.chars().skip(surplus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resume_command_survives_the_shell() {
        for (job, expect) in [
            ("k6-weekly", "cron-guard resume k6-weekly --reason 'what was repaired'"),
            ("two words", "cron-guard resume 'two words' --reason 'what was repaired'"),
            ("-rf", "cron-guard resume --reason 'what was repaired' -- -rf"),
            ("a'b", "cron-guard resume \"a'b\" --reason 'what was repaired'"),
        ] {
            assert_eq!(as_shell(&resume_argv(job, None)), expect);
        }
    }

    #[test]
    fn what_a_job_wrote_is_capped_and_has_no_control_characters() {
        assert_eq!(quote("a \u{1b}[31mred\n\nb\u{202e}\n"), "a red\nb\\u{202e}");
        let long = quote(&"x".repeat(10_000));
        assert_eq!(long.len(), TAIL_MAX);
    }
}
