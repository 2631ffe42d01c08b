//! `status`: every job with its last outcomes, problems first.

use common::Exit;
use common::fleet::liveness::Here;
use common::table::Columns;
use serde_json::{Value, json};

use super::Ctx;
use crate::cli::StatusArgs;
use crate::error::Error;
use crate::guard::Guard;
use crate::guard::fleet::{self, Member};
use crate::machine::Mark;

/// How many outcomes are shown.
const MARKS: usize = 20;

pub(crate) fn run(args: &StatusArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings = ctx.settings()?;
    let db = ctx.read_only()?;
    let here = Here::now();
    let now = Guard::now();
    let mut members =
        db.read("read", |connection| fleet::view(connection, &settings, &here, now))?;
    if let Some(job) = &args.job {
        members.retain(|member| member.job.name == job.as_str());
        if members.is_empty() {
            return Err(Error::NoJob { job: job.to_string() }.into());
        }
    }
    members.sort_by_key(|member| (!member.is_blocked(), member.job.breaker.streak == 0));
    if ctx.json {
        let jobs: Vec<Value> = members.iter().map(describe).collect();
        ctx.out.json(&json!({ "version": 1, "jobs": jobs }))?;
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["JOB", "STATE", "LAST RUNS", "STREAK", "LAST SUCCESS", "WHY"]);
    for member in &members {
        let breaker = &member.job.breaker;
        table.row([
            member.job.name.clone(),
            member.state().to_owned(),
            marks(&breaker.recent),
            breaker.streak.to_string(),
            breaker.last_success_at.map_or_else(|| "never".to_owned(), |at| at.relative(now)),
            member.reason().unwrap_or_default().to_owned(),
        ]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

/// The last outcomes as marks.
fn marks(recent: &str) -> String {
    let surplus = recent.len().saturating_sub(MARKS);
    recent
        .chars()
        .skip(surplus)
        .map(|letter| match Mark::from_letter(letter) {
            Some(Mark::Success) => '.',
            Some(Mark::Failure) => 'x',
            Some(Mark::Bad) => 'b',
            Some(Mark::TimedOut) => 't',
            Some(Mark::Vanished) => 'v',
            Some(Mark::Neutral) => '-',
            None => '?',
        })
        .collect()
}

fn describe(member: &Member) -> Value {
    let breaker = &member.job.breaker;
    json!({
        "job": member.job.name,
        "state": member.state(),
        "blocked": member.is_blocked(),
        "reason": member.reason(),
        "streak": breaker.streak,
        "epoch": breaker.epoch,
        "skipped": member.job.skipped,
    })
}
