//! `job`: declarations in guard.toml, for those who do not edit it by hand.

use common::table::Columns;
use common::{Exit, report};
use serde_json::json;

use super::Ctx;
use crate::TOOL;
use crate::actor::{self, Actor};
use crate::cli::{JobArgs, JobVerb};
use crate::error::Error;
use crate::settings::edit::{Change, Edited, Editor};
use crate::settings::{Settings, Turn};

pub(crate) fn run(verb: &JobVerb, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    match verb {
        JobVerb::Add(args) => {
            let order = Order { job: args.job.as_str(), kind: "job_add", reason: &args.reason };
            let settings = ctx.settings_to_add()?;
            change(&order, ctx, settings, |editor| editor.add(order.job, &changes(args)))
        }
        JobVerb::Edit(args) => {
            let order = Order { job: args.job.as_str(), kind: "job_edit", reason: &args.reason };
            let settings = ctx.settings_to_change()?;
            change(&order, ctx, settings, |editor| editor.edit(order.job, &changes(args)))
        }
        JobVerb::Remove(args) => {
            let order = Order { job: args.job.as_str(), kind: "job_remove", reason: &args.reason };
            let settings = ctx.settings_to_change()?;
            change(&order, ctx, settings, |editor| editor.remove(order.job))
        }
        JobVerb::List(_) => list(ctx),
    }
}

/// A change of one declaration, as it goes on record.
struct Order<'a> {
    job: &'a str,
    kind: &'static str,
    reason: &'a Option<String>,
}

fn change(
    order: &Order<'_>,
    ctx: &mut Ctx<'_>,
    (before, turn): (Settings, Turn),
    edit: impl FnOnce(&mut Editor) -> Edited,
) -> anyhow::Result<Exit> {
    let job = order.job;
    let mut editor = Editor::parse(&before.path, before.text())?;
    match edit(&mut editor) {
        Edited::Done => {}
        Edited::Exists => return Err(Error::Declared { job: job.to_owned() }.into()),
        Edited::Absent => return Err(Error::NotDeclared { job: job.to_owned() }.into()),
    }
    let after = editor.outcome(&before.path)?;
    let (was, is) = (before.job(job), after.job(job));
    let reason = order.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    let guard = ctx.guard(&before);
    if reason.is_none()
        && !actor::is_at_terminal()
        && !was.is_gated_as(&is)
        && let Ok(guard) = &guard
        && guard.is_blocked(job).unwrap_or(false)
    {
        let why = format!("`{job}` is blocked, so a reason is needed: --reason TEXT");
        return Err(Error::Usage(why).into());
    }
    editor.save(&before.path)?;
    drop(turn);
    // Agents must not undo quietly what a person set up, so the journal says who it was and what it did.
    let changes = was.changes_to(&is);
    let what = match (was.declared, is.declared) {
        (false, true) => Some("declared"),
        (true, false) => Some("no longer declared"),
        _ if changes.is_empty() => Some("nothing changed"),
        _ => None,
    };
    let changes = match (what, changes.is_empty()) {
        (Some(what), true) => what.to_owned(),
        (Some(what), false) => format!("{what}: {changes}"),
        (None, _) => changes,
    };
    let reason = reason.map_or_else(|| changes.clone(), |reason| format!("{changes}: {reason}"));
    let recorded = guard.and_then(|mut guard| {
        guard.redeclare(&after, job, order.kind, &Actor::here().name, &reason)
    });
    if let Err(error) = recorded {
        report::warn(TOOL, &format!("the change is not in the journal: {error}"));
    }
    if ctx.json {
        ctx.out.json(&json!({ "job": job, "settings": before.path, "changes": changes }))?;
    }
    Ok(Exit::Done)
}

fn changes(args: &JobArgs) -> Vec<Change> {
    let mut changes = Vec::new();
    let text = |key, text: &Option<String>| text.clone().map(|text| Change::Text(key, text));
    if args.every.is_some() {
        changes.extend([Change::Remove("schedule"), Change::Remove("tz")]);
    }
    if args.schedule.is_some() {
        changes.push(Change::Remove("every"));
    }
    changes.extend(text("every", &args.every));
    changes.extend(text("schedule", &args.schedule));
    changes.extend(text("tz", &args.tz));
    changes.extend(text("grace", &args.grace));
    changes.extend(text("owner", &args.owner));
    if !args.labels.is_empty() {
        let labels = args.labels.iter().map(ToString::to_string).collect();
        changes.push(Change::List("labels", labels));
    }
    changes.extend(args.tier.map(|tier| Change::Text("tier", tier.as_str().to_owned())));
    changes.extend(args.threshold.map(|count| Change::Number("threshold", count.0.into())));
    changes.extend(args.recover.map(|count| Change::Number("recover", count.0.into())));
    changes.extend(text("cooldown", &args.cooldown));
    changes.extend(args.policy.map(|policy| Change::Text("policy", policy.as_str().to_owned())));
    changes.extend(args.mode.map(|mode| Change::Text("mode", mode.as_str().to_owned())));
    changes.extend(text("max_runtime", &args.max_runtime));
    changes.extend(args.trip_now.as_ref().map(|codes| Change::Text("trip_now", codes.to_string())));
    changes.extend(args.neutral.as_ref().map(|codes| Change::Text("neutral", codes.to_string())));
    if !args.budgets.is_empty() {
        let budgets = args.budgets.iter().map(ToString::to_string).collect();
        changes.push(Change::List("budget", budgets));
    }
    changes
}

fn list(ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings: Settings = ctx.settings()?;
    for error in settings.misdeclared().into_values() {
        report::warn(TOOL, &error.to_string());
    }
    if !ctx.json {
        let mut table =
            Columns::new(["JOB", "RUNS", "TIER", "MODE", "THRESHOLD", "LABELS", "OWNER"]);
        for name in settings.declared() {
            let own = settings.job(name);
            let runs = match (&own.schedule, own.every) {
                (Some(schedule), _) => {
                    format!("{schedule} {}", own.tz.as_deref().unwrap_or("")).trim_end().to_owned()
                }
                (None, Some(every)) => format!("every {}", common::duration::human(every)),
                (None, None) => String::new(),
            };
            table.row([
                name.to_owned(),
                runs,
                own.tier.as_str().to_owned(),
                own.mode.as_str().to_owned(),
                own.rules.threshold.to_string(),
                own.labels.join(", "),
                own.owner.clone().unwrap_or_default(),
            ]);
        }
        ctx.out.line(table.render())?;
        return Ok(Exit::Done);
    }
    for name in settings.declared() {
        let own = settings.job(name);
        ctx.out.json(&json!({
            "job": name,
            "schedule": own.schedule,
            "tz": own.tz,
            "every_seconds": own.every.map(|every| every.as_secs()),
            "grace_seconds": own.grace.as_secs(),
            "tier": own.tier.as_str(),
            "mode": own.mode.as_str(),
            "threshold": own.rules.threshold,
            "recover": own.rules.recover,
            "labels": own.labels,
            "owner": own.owner,
            "budgets": own.budgets.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?;
    }
    Ok(Exit::Done)
}
