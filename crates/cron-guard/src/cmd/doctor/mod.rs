//! `doctor`: what is wrong with the set-up, one line a finding.

mod channels;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use common::fleet::Database;
use common::out::sanitize;
use common::{Exit, duration, place, report};
use serde_json::json;

use super::Ctx;
use crate::TOOL;
use crate::cli::DoctorArgs;
use crate::crontab::declared::differing;
use crate::exposed;
use crate::guard::Guard;
use crate::guard::fleet::SWEEP;
use crate::machine::COOLDOWN_MAX;
use crate::settings::Settings;
use crate::store::{alerts, facts, holds, jobs, journal};

/// A sweep that is older than this does not look after the fleet.
const SWEEP_STALE: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

pub(crate) fn run(_args: &DoctorArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let mut findings = Vec::new();
    let settings = match ctx.settings() {
        Ok(settings) => Some(settings),
        Err(error) => {
            findings.push(report::Report::of::<crate::error::Error>(&error).message);
            None
        }
    };
    if let Some(settings) = &settings {
        about_settings(settings, ctx, &mut findings);
    }
    about_journal(ctx, settings.as_ref(), &mut findings);
    about_crontab(settings.as_ref(), &mut findings);
    if ctx.json {
        ctx.out.json(&json!({ "findings": findings }))?;
    } else if findings.is_empty() {
        if ctx.out.is_terminal() {
            ctx.out.line("All is well.")?;
        }
    } else {
        for finding in &findings {
            ctx.out.line(sanitize(finding))?;
        }
    }
    Ok(if findings.is_empty() { Exit::Done } else { Exit::No })
}

fn about_settings(settings: &Settings, ctx: &Ctx<'_>, findings: &mut Vec<String>) {
    findings.extend(settings.misdeclared().into_values().map(|error| error.to_string()));
    for name in settings.long_cooldowns() {
        let most = duration::human(COOLDOWN_MAX);
        findings.push(format!(
            "the cooldown of {name} is longer than {most}, which is the longest wait"
        ));
    }
    channels::examine(settings.alerts(), findings);
    let place = ctx.database().place();
    let journal = place.as_ref().ok().and_then(|place| place.file());
    findings.extend(exposed::findings(&settings.path, journal));
}

fn about_journal(ctx: &Ctx<'_>, settings: Option<&Settings>, findings: &mut Vec<String>) {
    let db = match ctx.database().open() {
        Ok(db) => db,
        Err(error) => {
            findings.push(report::Report::of::<common::Error>(&error.into()).message);
            return;
        }
    };
    if let Err(error) = examine(&db, settings, findings) {
        findings.push(report::Report::of::<common::Error>(&error.into()).message);
    }
    let mode = db.place().file().map(place::looser_than_private);
    if let Some(Ok(Some(mode))) = mode {
        findings
            .push(format!("others may read the journal {} (mode {mode:o})", db.name().display()));
    }
}

fn examine(
    db: &Database,
    settings: Option<&Settings>,
    findings: &mut Vec<String>,
) -> Result<(), common::Error> {
    let now = Guard::now();
    if let Some(damage) = db.damage()?.into_iter().next() {
        findings.push(format!("the journal is damaged: {damage}"));
    }
    let (sweep, troubled, known, newest, holds) = db.read("read", |connection| {
        Ok((
            facts::get(connection, SWEEP)?,
            alerts::troubled(connection)?,
            jobs::all(connection)?,
            journal::newest_runs(connection)?,
            holds::all(connection)?,
        ))
    })?;
    match sweep {
        None => findings.push(
            "the sweep has never run; give `cron-guard` without arguments a cron line of its own"
                .to_owned(),
        ),
        Some((_, at)) if now.since(at) > SWEEP_STALE => {
            findings.push(format!("the sweep has not run since {at}"));
        }
        Some((_, at)) if at > now => {
            findings.push(format!("the clock went back: the last sweep was at {at}"));
        }
        Some(_) => {}
    }
    for delivery in troubled {
        findings.push(format!(
            "an alert could not be delivered by {}: {}",
            delivery.channel,
            delivery.error.unwrap_or_default()
        ));
    }
    let Some(settings) = settings else { return Ok(()) };
    let names: BTreeSet<&str> =
        settings.declared().chain(known.keys().chain(newest.keys()).map(String::as_str)).collect();
    for hold in holds {
        if !names.iter().any(|name| hold.concerns(name, &settings.job(name).labels)) {
            let (scope, reason) = (hold.scope, hold.reason);
            findings.push(format!("the hold on {scope} concerns no job that is known: {reason}"));
        }
    }
    let is_declared = settings.declared().next().is_some();
    for job in newest.keys().filter(|job| is_declared && !settings.job(job).declared) {
        findings.push(format!("{job} runs and is not declared"));
    }
    for job in settings.declared().filter(|job| !newest.contains_key(*job)) {
        if known.get(job).is_none_or(|job| job.last_run.is_none()) {
            findings.push(format!("{job} is declared and never ran"));
        }
    }
    Ok(())
}

/// A crontab that runs jobs without the guard is fine; a guard that cron cannot find is not.
fn about_crontab(settings: Option<&Settings>, findings: &mut Vec<String>) {
    let output = Command::new("crontab").arg("-l").stdin(Stdio::null()).output();
    let Ok(output) = output.map(|output| output.stdout) else { return };
    for found in settings.map_or_else(Vec::new, |settings| differing(&output, settings)) {
        if let Some(declared) = &found.declared {
            let (line, declared) = (found.line.in_words(), declared.in_words());
            findings.push(format!(
                "{} is due {line} in the crontab and {declared} in guard.toml",
                found.name
            ));
        }
    }
    let (_, wrapped) = crate::crontab::unwrap(&output);
    let text = String::from_utf8_lossy(&output);
    let sets_path = text.lines().any(|line| line.trim_start().starts_with("PATH"));
    let is_bare = |line: &str| {
        !line.trim_start().starts_with('#') && line.split_whitespace().any(|word| word == TOOL)
    };
    let in_short_path =
        ["/usr/bin/cron-guard", "/bin/cron-guard"].iter().any(|path| Path::new(path).exists());
    if wrapped.is_empty() && !sets_path && !in_short_path && text.lines().any(is_bare) {
        findings.push(
            "the crontab calls `cron-guard` by its bare name, and cron's PATH is /usr/bin:/bin"
                .to_owned(),
        );
    }
}
