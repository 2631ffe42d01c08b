//! `alert`: prove a channel, list what was told, send again what failed.

use common::Exit;
use common::clock::Timestamp;
use common::fleet::liveness::Here;
use common::report;
use common::table::Columns;
use serde_json::{Value, json};

use super::Ctx;
use crate::TOOL;
use crate::alert::aside::Turn;
use crate::alert::{channel, channels, compose, send};
use crate::cli::{AlertListArgs, AlertTestArgs, AlertVerb};
use crate::guard::Guard;
use crate::store::alerts::{self, Alert, Delivery};
use crate::view::Moments;

pub(crate) fn run(verb: &AlertVerb, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    match verb {
        AlertVerb::Test(args) => test(args, ctx),
        AlertVerb::List(args) => list(args, ctx),
        AlertVerb::Retry(_) => retry(ctx),
        AlertVerb::Deliver => deliver(ctx),
    }
}

/// Sends on each channel and says what came of it. Needs no journal.
fn test(args: &AlertTestArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings = ctx.settings()?;
    let now = Guard::now();
    let id = common::fleet::new_id();
    let mut body = compose::about_test(&Here::now().host, now);
    compose::add(&mut body, "alert_id", &id);
    let alert = Alert {
        id,
        at: now,
        event: compose::TEST.to_owned(),
        job: None,
        labels: Vec::new(),
        grouped_in: None,
        body,
    };
    let names = match &args.channel {
        Some(channel) => vec![channel.as_str()],
        None => channels(settings.alerts()),
    };
    let mut all_well = true;
    let mut results = Vec::new();
    for name in names {
        let result = channel::send(name, settings.alerts(), &alert);
        all_well &= result.is_ok();
        if ctx.json {
            results.push(
                json!({ "channel": name, "delivered": result.is_ok(), "error": result.err() }),
            );
            continue;
        }
        match result {
            Ok(()) => ctx.out.line(format!("{name}: delivered"))?,
            Err(error) => ctx.out.line(format!("{name}: {}", common::out::sanitize(&error)))?,
        }
    }
    if ctx.json {
        ctx.out.json(&json!({ "channels": results }))?;
    }
    Ok(if all_well { Exit::Done } else { Exit::No })
}

fn list(args: &AlertListArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let db = ctx.read_only()?;
    let now = Guard::now();
    let found: Vec<(Alert, Vec<Delivery>)> = db.read("read", |connection| {
        alerts::newest(connection, args.limit)?
            .into_iter()
            .map(|alert| {
                let deliveries = alerts::deliveries(connection, &alert.id)?;
                Ok((alert, deliveries))
            })
            .collect()
    })?;
    if ctx.json {
        for (alert, deliveries) in found {
            let mut value = serde_json::to_value(alert).unwrap_or(Value::Null);
            if let Some(object) = value.as_object_mut() {
                object.insert("deliveries".into(), json!(deliveries));
            }
            ctx.out.json(&value)?;
        }
        return Ok(Exit::Done);
    }
    let is_terminal = ctx.out.is_terminal();
    let moment = |at: Timestamp| if is_terminal { at.relative(now) } else { at.to_string() };
    let mut table = Columns::new(["WHEN", "EVENT", "JOB", "CHANNELS"]);
    for (alert, deliveries) in found {
        let fates: Vec<String> =
            deliveries.iter().map(|delivery| fate(&alert, delivery, now, &moment)).collect();
        table.row([moment(alert.at), alert.event, alert.job.unwrap_or_default(), fates.join("; ")]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

fn fate(alert: &Alert, delivery: &Delivery, now: Timestamp, moment: Moments<'_>) -> String {
    let channel = &delivery.channel;
    match (delivery.delivered_at, &delivery.error, delivery.due_at) {
        (Some(_), _, _) => format!("{channel} delivered"),
        (None, _, _) if alert.grouped_in.is_some() => format!("{channel} in a group"),
        (None, Some(error), Some(due)) if due > now => {
            format!("{channel} failed ({error}), again {}", moment(due))
        }
        (None, Some(error), Some(_)) => format!("{channel} failed ({error}), due"),
        (None, Some(error), None) => format!("{channel} given up ({error})"),
        (None, None, Some(due)) if due > now => format!("{channel} {}", moment(due)),
        (None, None, _) => format!("{channel} waiting"),
    }
}

fn retry(ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings = ctx.settings()?;
    let mut guard = ctx.guard(&settings)?;
    guard.db.write("write to", |tx| alerts::retry_all(tx, Guard::now()))?;
    let here = guard.here().clone();
    let sent = send::send_due(&mut guard.db, settings.alerts(), &here)?;
    if ctx.json {
        ctx.out.json(&json!({ "delivered": sent.delivered, "failed": sent.failed }))?;
    } else if sent.delivered + sent.failed > 0 {
        ctx.out.line(format!("{} delivered, {} failed", sent.delivered, sent.failed))?;
    }
    if sent.failed > 0 {
        report::warn(TOOL, "some alerts could not be delivered; see `cron-guard alert list`");
        return Ok(Exit::No);
    }
    Ok(Exit::Done)
}

/// What a gate starts: delivers what is due, without a word. What fails is tried again later.
fn deliver(ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    // Nobody's keys and no closing terminal end it.
    let _ = rustix::process::setsid();
    let turn = Turn::take(ctx.database().place()?.local());
    if let Turn::Ours(_) = turn {
        let settings = ctx.settings()?;
        ctx.guard(&settings)?.tell();
    }
    Ok(Exit::Done)
}
