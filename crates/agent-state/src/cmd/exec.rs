//! `exec`: run, locks, lease, kill on loss, outcome and exit code in one.

use std::fs::File;
use std::time::Duration;

use common::child::End;
use common::clock::Timestamp;
use common::exit::Exit;
use common::fleet::agents::{self, Agent, Registration};
use common::fleet::liveness::Holder;
use common::fleet::runs::{self, NewRun, Opened, Outcome, Run, Status};
use common::fleet::{AGENT_ID_VARIABLE, AGENT_VARIABLE, JOB_VARIABLE, RUN_ID_VARIABLE};
use common::report::{self, Report};
use common::sql::{self, Connection};

use super::context::Ctx;
use super::keeper::Keeper;
use super::lock::obtain::{self, Waiting};
use super::wrap::{self, Ended, Terms};
use crate::TOOL;
use crate::cli::exec::Args;
use crate::error::Error;
use crate::lock::exclusive;
use crate::store::locks::{self, Grant, Request};
use crate::store::{self, Stop};

/// How long a run counts as running on other machines without a sign of life; renewed at a third.
const LEASE: Duration = Duration::from_secs(15 * 60);

pub(crate) fn run(args: &Args, ctx: &mut Ctx) -> Exit {
    wrap::guarded(ctx, |ctx| {
        let log = args.log.as_deref().map(wrap::open_log).transpose()?;
        let opening = match args.slot {
            // A slot is a promise that nobody else runs for it; without one the start of a run is news.
            Some(_) => ctx.write("open a run in", |tx, now| open(tx, args, ctx, now))?,
            None => ctx.note("open a run in", |tx, now| open(tx, args, ctx, now))?,
        };
        let mut grants = Vec::new();
        match hold_and_run(args, ctx, &opening, &mut grants, log.as_ref()) {
            Ok(ended) => {
                match finish(ctx, &opening, &outcome_of(&ended), &grants) {
                    Ok(true) => super::prune::on_the_way(ctx),
                    Ok(false) => {}
                    // The command has run, and its code is what the caller asked for.
                    Err(error) => {
                        report::fail::<Error>(TOOL, ctx.json, &error);
                    }
                }
                if let (Some(failure), Some(log)) = (&ended.log_failure, &args.log) {
                    let log = common::place::for_people(log);
                    report::warn(
                        TOOL,
                        &format!("the log {log} lacks some of the output: {failure}"),
                    );
                }
                if ended.lost_lock {
                    report::warn(TOOL, "a lock was lost, so the command was ended");
                }
                Ok(ended.fate.exit())
            }
            Err(error) => {
                // The first error is the one to report; a run that stays open is found interrupted.
                let _ = give_up(ctx, &opening, &not_started(&error), &grants);
                Err(error)
            }
        }
    })
}

/// A run that is open, and whose it is.
struct Opening {
    agent: Agent,
    run: Run,
    /// The slot is ours, and not that of an outer guard.
    has_taken_slot: bool,
}

fn open(tx: &Connection, args: &Args, ctx: &Ctx, now: Timestamp) -> Result<Opening, Stop> {
    runs::reap(tx, ctx.here(), now)?;
    let agent = agent(tx, args.agent.as_str(), now)?;
    let slot = args.slot.as_ref().map(|slot| slot.name(now));
    if let Some(run) = adopt(tx, ctx, &agent, now)? {
        let taken = match &slot {
            Some(slot) => runs::take_slot(tx, &run, slot)?,
            None => None,
        };
        if let Some(taken) = taken {
            return Err(Error::SlotTaken { run: Box::new(taken) }.into());
        }
        let has_taken_slot = slot.is_some() && run.slot.is_none();
        return Ok(Opening { agent, run, has_taken_slot });
    }
    let holder = Holder::this_process(ctx.here());
    let new = NewRun {
        agent: Some(&agent.agent_id),
        job: args.job.as_ref().map(AsRef::as_ref),
        slot: slot.as_deref(),
        lease: LEASE,
        holder: holder.as_ref(),
        output_path: None,
    };
    match runs::open(tx, &new, now)? {
        Opened::New(run) => {
            let run = store::run(tx, run.as_str())?;
            Ok(Opening { run, agent, has_taken_slot: slot.is_some() })
        }
        Opened::SlotTaken(run) => Err(Error::SlotTaken { run }.into()),
    }
}

/// The agent of a command that is about to run; it is registered when it is unknown or was retired.
pub(super) fn agent(tx: &Connection, named: &str, now: Timestamp) -> sql::Result<Agent> {
    match agents::find(tx, named)? {
        Some(agent) if agent.retired_at.is_none() => Ok(agent),
        known => {
            let name = known.as_ref().map_or(named, |agent| agent.name.as_str());
            Ok(agents::register(tx, name, &Registration::default(), now)?.0)
        }
    }
}

/// The run that an outer guard opened and that has no agent yet.
fn adopt(tx: &Connection, ctx: &Ctx, agent: &Agent, now: Timestamp) -> sql::Result<Option<Run>> {
    let Some(outer) = &ctx.outer_run else { return Ok(None) };
    let is_free = runs::get(tx, outer.as_str())?.is_some_and(|run| run.agent_id.is_none());
    if is_free { runs::adopt(tx, outer, &agent.agent_id, now) } else { Ok(None) }
}

fn hold_and_run(
    args: &Args,
    ctx: &Ctx,
    opening: &Opening,
    grants: &mut Vec<Grant>,
    log: Option<&File>,
) -> anyhow::Result<Ended> {
    let Opening { agent, run, .. } = opening;
    if !args.locks.is_empty() {
        let request = Request {
            claims: exclusive(args.locks.iter().map(ToString::to_string)),
            agent: Some(agent.agent_id.clone()),
            run: Some(run.run_id.clone()),
            reason: run.job.clone(),
            ttl: args.ttl,
            under: None,
            holder: Holder::this_process(ctx.here()),
            waiter: None,
        };
        let waiting =
            Waiting { patience: args.wait, held_exit: Exit::No, is_wanted: &ctx.is_wanted };
        *grants = obtain::obtain(&mut ctx.open()?, ctx.here(), request, waiting)?;
    }
    let mut command = wrap::command(&args.command, ctx);
    command
        .env(RUN_ID_VARIABLE, run.run_id.as_str())
        .env(AGENT_VARIABLE, &agent.name)
        .env(AGENT_ID_VARIABLE, agent.agent_id.as_str());
    match &run.job {
        Some(job) => command.env(JOB_VARIABLE, job),
        None => command.env_remove(JOB_VARIABLE),
    };
    wrap::export_tokens(&mut command, args.locks.iter().map(AsRef::as_ref), grants);
    let lease = Duration::from_millis(u64::try_from(run.lease_ms).unwrap_or(1)).min(LEASE);
    let keeper = Keeper::new(ctx).with_run(&run.run_id, lease).with_locks(grants, args.ttl);
    wrap::run(
        command,
        &Terms { timeout: args.timeout, log, keep_tail: true, keep_stdout: None },
        keeper,
    )
}

fn outcome_of(ended: &Ended) -> Outcome {
    let (exit_code, signal) = match ended.fate.end {
        End::Code(code) => (Some(i64::from(code)), None),
        End::Signal(signal) => (None, Some(i64::from(signal))),
    };
    // A command that had to end has failed, even when it left with 0.
    let (status, reason) = if ended.lost_lock {
        (Some(Status::Failed), Some("lock lost".to_owned()))
    } else if ended.fate.timed_out {
        (Some(Status::Failed), Some("timed out".to_owned()))
    } else if let Some(by) = ended.fate.stopped_by() {
        (Some(Status::Interrupted), Some(format!("stopped by signal {by}")))
    } else {
        (None, None)
    };
    Outcome {
        status,
        reason,
        exit_code,
        signal,
        stderr_tail: ended.stderr_tail.clone(),
        ..Outcome::default()
    }
}

/// What the journal says of a command that was not started.
fn not_started(error: &anyhow::Error) -> Outcome {
    let (reason, exit_code) = match error.downcast_ref::<Error>() {
        Some(Error::Held { .. }) => ("lock held", None),
        _ => ("not started", Some(i64::from(Report::of::<Error>(error).exit.code()))),
    };
    Outcome {
        status: Some(Status::Failed),
        reason: Some(reason.to_owned()),
        exit_code,
        ..Outcome::default()
    }
}

/// Writes the outcome and gives the locks back. A run that was finished from outside stays as it is.
///
/// Returns whether the day's prune is due.
fn finish(
    ctx: &Ctx,
    opening: &Opening,
    outcome: &Outcome,
    grants: &[Grant],
) -> anyhow::Result<bool> {
    ctx.record("finish a run in", |tx, now| {
        for grant in grants {
            locks::release(tx, grant, now)?;
        }
        runs::finish(tx, &opening.run.run_id, outcome, now)?;
        Ok(store::prune::is_due(tx, now)?)
    })
}

/// As [`finish`], for a command that was not started: its slot is free for who can start it.
fn give_up(
    ctx: &Ctx,
    opening: &Opening,
    outcome: &Outcome,
    grants: &[Grant],
) -> anyhow::Result<()> {
    finish(ctx, opening, outcome, grants)?;
    if opening.has_taken_slot {
        ctx.record("leave a slot in", |tx, _| Ok(runs::leave_slot(tx, &opening.run.run_id)?))?;
    }
    Ok(())
}
