//! `report`: what should have happened in a window against what did.

use common::fleet::liveness::Here;
use common::table::Columns;
use common::{Exit, atomic};
use serde_json::json;

use super::{Ctx, is_stdout};
use crate::cli::ReportArgs;
use crate::guard::Guard;
use crate::guard::fleet::{self, Member};
use crate::store::{journal, skips, transitions};
use crate::view::page;
use crate::view::week::Week;

pub(crate) fn run(args: &ReportArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings = ctx.settings()?;
    let db = ctx.read_only()?;
    let here = Here::now();
    let now = Guard::now();
    let since = now.minus(args.since);
    let (members, week, transitions) = db.read("read", |connection| {
        let members = fleet::view(connection, &settings, &here, now)?;
        let mut week = Week::new(since, now);
        journal::between(connection, since, now, |run| {
            week.add_run(&run, &settings.job(&run.job));
        })?;
        for skips in skips::since(connection, None, since)? {
            week.add_skips(&skips);
        }
        week.expect(&members);
        Ok((members, week, transitions::since(connection, since)?))
    })?;
    if let Some(path) = &args.html {
        let page = page::render(&week, &members, &transitions, now);
        if is_stdout(path) {
            ctx.out.bytes(page.as_bytes())?;
        } else {
            atomic::write(path, page.as_bytes(), 0o600)?;
        }
        return Ok(Exit::Done);
    }
    if ctx.json {
        let jobs: Vec<_> = members.iter().map(|member| describe(member, &week)).collect();
        ctx.out.json(&json!({
            "version": 1, "since": since, "until": now, "jobs": jobs, "transitions": transitions,
        }))?;
        return Ok(Exit::Done);
    }
    let mut table = Columns::new([
        "JOB",
        "STATE",
        "EXPECTED",
        "SUCCEEDED",
        "FAILED",
        "BLOCKED",
        "SKIPPED",
        "MISSED",
        "TOKENS",
        "USD",
    ]);
    for member in &members {
        let Some(row) = week.rows.get(&member.job.name) else { continue };
        table.row([
            member.job.name.clone(),
            if member.is_late() { "late".to_owned() } else { member.state().to_owned() },
            row.expected.map_or_else(|| "-".to_owned(), |n| n.to_string()),
            row.sum.ran.to_string(),
            row.sum.failed.to_string(),
            row.sum.blocked.to_string(),
            row.sum.skipped.to_string(),
            row.sum.missed.to_string(),
            row.tokens.to_string(),
            format!("{:.2}", row.usd),
        ]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

fn describe(member: &Member, week: &Week) -> serde_json::Value {
    let row = week.rows.get(&member.job.name);
    let sum = row.map(|row| row.sum).unwrap_or_default();
    json!({
        "job": member.job.name,
        "state": member.state(),
        "late": member.is_late(),
        "expected": row.and_then(|row| row.expected),
        "succeeded": sum.ran,
        "failed": sum.failed,
        "blocked": sum.blocked,
        "skipped": sum.skipped,
        "missed": sum.missed,
        "interrupted": sum.neutral,
        "token_usage": row.map(|row| row.tokens),
        "cost_usd": row.map(|row| row.usd),
    })
}
