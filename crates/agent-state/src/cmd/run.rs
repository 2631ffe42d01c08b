//! `run …`: the journal.

use common::clock::Timestamp;
use common::duration;
use common::exit::Exit;
use common::fleet::runs::{self, Filter, Finished, NewRun, Opened, Outcome, Run, RunId, Status};
use common::fleet::{AGENT_ID_VARIABLE, RUN_ID_VARIABLE};
use common::sql::{self, Connection};
use common::table::Columns;
use serde_json::json;

use super::context::Ctx;
use crate::cli::run::{Finish, Heartbeat, List, Show, Start, Verb};
use crate::error::Error;
use crate::store::{self, Stop};

pub(crate) fn run(verb: &Verb, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    match verb {
        Verb::Start(args) => start(args, ctx),
        Verb::Heartbeat(args) => heartbeat(args, ctx),
        Verb::Finish(args) => finish(args, ctx),
        Verb::List(args) => list(args, ctx),
        Verb::Show(args) => show(args, ctx),
        Verb::Reap => reap(ctx),
    }
}

fn start(args: &Start, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let open = |tx: &Connection, now| {
        let agent = store::agent(tx, args.agent.as_str())?;
        runs::reap(tx, ctx.here(), now)?;
        let slot = args.slot.as_ref().map(|slot| slot.name(now));
        let new = NewRun {
            agent: Some(&agent.agent_id),
            job: args.job.as_ref().map(AsRef::as_ref),
            slot: slot.as_deref(),
            lease: args.lease,
            holder: None,
            output_path: args.output_path.as_deref(),
        };
        match runs::open(tx, &new, now)? {
            Opened::New(run) => {
                Ok((store::run(tx, run.as_str())?, agent, store::prune::is_due(tx, now)?))
            }
            Opened::SlotTaken(run) => Err(Error::SlotTaken { run }.into()),
        }
    };
    // A slot is a promise that nobody else runs for it; without one the start of a run is news.
    let (run, agent, is_prune_due) = if args.slot.is_some() {
        ctx.write("start a run in", open)?
    } else {
        ctx.note("start a run in", open)?
    };
    if is_prune_due {
        super::prune::on_the_way(ctx);
    }
    if ctx.json {
        ctx.out.json(&run)?;
    } else if args.export {
        for (name, value) in
            [(RUN_ID_VARIABLE, run.run_id.as_str()), (AGENT_ID_VARIABLE, agent.agent_id.as_str())]
        {
            ctx.out.line(format_args!("export {name}={}", quoted(value)))?;
        }
    } else if args.id_only {
        ctx.out.line(&run.run_id)?;
    } else {
        ctx.out.line(format_args!("run {} of {} is running", run.run_id, agent.name))?;
    }
    Ok(Exit::Done)
}

/// A word for sh.
fn quoted(word: &str) -> String {
    // Only a NUL cannot be quoted, and no name has one.
    shlex::try_quote(word).map_or_else(|_| String::new(), std::borrow::Cow::into_owned)
}

fn heartbeat(args: &Heartbeat, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let run = ctx.write("note a heartbeat in", |tx, now| {
        runs::reap(tx, ctx.here(), now)?;
        let run = store::run(tx, args.run.as_str())?;
        if runs::heartbeat(tx, &run.run_id, args.progress.as_deref(), now)? {
            store::run(tx, args.run.as_str())
        } else {
            Err(Error::RunEnded { run: Box::new(run) }.into())
        }
    })?;
    if ctx.json {
        ctx.out.json(&run)?;
    }
    Ok(Exit::Done)
}

fn finish(args: &Finish, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let outcome = Outcome {
        status: args.status.map(Status::from),
        exit_code: args.exit_code.map(i64::from),
        summary: args.summary.clone(),
        token_usage: args.token_usage,
        cost_usd: args.cost_usd,
        verdict: args.verdict,
        ..Outcome::default()
    };
    let run = ctx.write("finish a run in", |tx, now| {
        runs::reap(tx, ctx.here(), now)?;
        let run = RunId::from(args.run.to_string());
        match runs::finish(tx, &run, &outcome, now)? {
            Finished::Done(_) => store::run(tx, run.as_str()),
            Finished::Already(run) => Err(Error::RunEnded { run }.into()),
            Finished::Unknown => Err(Error::NoRun { run_id: run.to_string() }.into()),
        }
    })?;
    if ctx.json {
        ctx.out.json(&run)?;
    }
    Ok(Exit::Done)
}

fn list(args: &List, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let (runs, now) = ctx.read("list runs in", |connection, now| {
        let mut filter = Filter {
            job: args.job.as_ref().map(ToString::to_string),
            since: args.since.map(|since| now.minus(since)),
            status: args.status,
            ..Filter::default()
        };
        if let Some(agent) = &args.agent {
            filter.agent = Some(store::agent(connection, agent.as_str())?.agent_id);
        }
        Ok((matching(connection, &filter, args.limit, ctx, now)?, now))
    })?;
    if ctx.json {
        for run in &runs {
            ctx.out.json(run)?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["RUN", "AGENT", "JOB", "STATUS", "STARTED", "TOOK", "NOTE"]);
    for run in runs {
        table.row(cells(&run, ctx, now));
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

fn matching(
    connection: &sql::Connection,
    filter: &Filter,
    limit: u32,
    ctx: &Ctx,
    now: Timestamp,
) -> Result<Vec<Run>, Stop> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut runs = Vec::new();
    runs::list(connection, filter, |run| {
        // A running row can be an interrupted run that nobody has met yet, and counts as what it is.
        let run = run.as_seen(ctx.here(), now);
        if filter.status.is_none_or(|status| status == run.status) {
            runs.push(run);
        }
        runs.len() < limit
    })?;
    Ok(runs)
}

fn cells(run: &Run, ctx: &Ctx, now: Timestamp) -> [String; 7] {
    let dash = || "-".to_owned();
    let took = run.finished_at.or((run.status == Status::Running).then_some(now));
    [
        run.run_id.to_string(),
        run.agent.clone().unwrap_or_else(dash),
        run.job.clone().unwrap_or_else(dash),
        run.status.as_str().to_owned(),
        ctx.moment(run.started_at, now),
        took.map_or_else(dash, |end| duration::human(end.since(run.started_at))),
        note(run).unwrap_or_default(),
    ]
}

/// What matters most about a run, in a few words.
fn note(run: &Run) -> Option<String> {
    let code = run.exit_code.filter(|code| *code != 0).map(|code| format!("exit {code}"));
    let signal = run.signal.map(|signal| format!("signal {signal}"));
    run.reason
        .clone()
        .or(code)
        .or(signal)
        .or_else(|| run.summary.clone())
        .or_else(|| run.progress.clone())
}

fn show(args: &Show, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let run = ctx.read("read a run in", |connection, now| {
        Ok(store::run(connection, args.run.as_str())?.as_seen(ctx.here(), now))
    })?;
    ctx.show(&run, || describe(&run))?;
    Ok(Exit::Done)
}

fn describe(run: &Run) -> String {
    let mut table = Columns::new(["run", run.run_id.as_str()]);
    let mut add = |label: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row([label.to_owned(), value]);
        }
    };
    add("agent", run.agent.clone());
    add("job", run.job.clone());
    add("slot", run.slot.clone());
    add("status", Some(run.status.as_str().to_owned()));
    add("reason", run.reason.clone());
    add("started", Some(run.started_at.to_string()));
    add("finished", run.finished_at.map(|at| at.to_string()));
    add("took", run.finished_at.map(|at| duration::human(at.since(run.started_at))));
    add("heartbeat", Some(run.heartbeat_at.to_string()));
    add("lease until", (run.status == Status::Running).then(|| run.lease_until.to_string()));
    add("process", run.holder.as_ref().map(|holder| format!("{} on {}", holder.pid, holder.host)));
    add("progress", run.progress.clone());
    add("exit code", run.exit_code.map(|code| code.to_string()));
    add("signal", run.signal.map(|signal| signal.to_string()));
    add("summary", run.summary.clone());
    add("tokens", run.token_usage.map(|tokens| tokens.to_string()));
    add("cost", run.cost_usd.map(|cost| format!("${cost:.4}")));
    add("verdict", run.verdict.map(|verdict| verdict.as_str().to_owned()));
    add("output", run.output_path.clone());
    let mut text = table.render();
    if let Some(tail) = run.stderr_tail.as_deref().filter(|tail| !tail.is_empty()) {
        text.push_str("\nend of stderr:");
        for line in tail.lines() {
            text.push_str("\n  ");
            text.push_str(&common::out::sanitize(line));
        }
    }
    text
}

fn reap(ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let reaped = ctx.write("reap runs in", |tx, now| Ok(runs::reap(tx, ctx.here(), now)?))?;
    for run in &reaped {
        if ctx.json {
            ctx.out.json(&json!({ "run_id": run.run_id, "agent": run.agent, "job": run.job, "reason": run.reason }))?;
        } else {
            let reason = run.reason.as_deref().unwrap_or_default();
            let agent = run.agent.as_deref().or(run.job.as_deref()).unwrap_or("nobody");
            ctx.out.line(common::out::sanitize(&format!(
                "interrupted: run {} of {agent} ({reason})",
                run.run_id
            )))?;
        }
    }
    Ok(Exit::Done)
}
