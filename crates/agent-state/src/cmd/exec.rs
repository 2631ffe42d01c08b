//! `exec`: run, locks, lease, kill on loss, outcome and exit code in one.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::child::{End, Fate, Stream, Supervisor, Tail, Watch};
use common::clock::{self, Timestamp};
use common::exit::Exit;
use common::fleet::agents::{self, Agent, Registration};
use common::fleet::liveness::Holder;
use common::fleet::runs::{self, NewRun, Opened, Outcome, Run, Status};
use common::fleet::{AGENT_ID_VARIABLE, AGENT_VARIABLE, JOB_VARIABLE, RUN_ID_VARIABLE};
use common::report;
use rusqlite::Connection;

use super::context::Ctx;
use super::lock::obtain::{self, Waiting};
use crate::TOOL;
use crate::cli::exec::Args;
use crate::error::Error;
use crate::lock::Claim;
use crate::store::locks::{self, Grant, Request};
use crate::store::{self, Stop};

/// How long a run counts as running on other machines without a sign of life; renewed at a third.
const LEASE: Duration = Duration::from_secs(15 * 60);
/// How often a command that holds locks looks whether they were broken.
const LOOK: Duration = Duration::from_secs(1);
/// The time between TERM and KILL when a lock is lost.
const LOSS_GRACE: Duration = Duration::from_secs(5);
/// How much of the end of stderr the journal keeps.
const TAIL_BYTES: usize = 4096;

/// Runs the command; what goes wrong before it starts is printed here, since its code is 125.
pub(crate) fn run(args: &Args, ctx: &mut Ctx) -> Exit {
    match supervise(args, ctx) {
        Ok(exit) => exit,
        Err(error) => match report::fail::<Error>(TOOL, ctx.json, &error) {
            Exit::Failed | Exit::Again | Exit::Usage => Exit::NotStarted,
            exit => exit,
        },
    }
}

/// A run that is open, with what the command needs to know of it.
struct Opening {
    agent: Agent,
    run: Run,
}

fn supervise(args: &Args, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let log = args.log.as_deref().map(open_log).transpose()?;
    let opening = ctx.write("open a run in", |tx, now| open(tx, args, ctx, now))?;
    match hold_and_run(args, ctx, &opening, log.as_ref()) {
        Ok(exit) => Ok(exit),
        Err(error) => {
            let outcome = Outcome {
                status: Some(Status::Failed),
                reason: Some(reason_of(&error)),
                ..Outcome::default()
            };
            // The first error is the one to report; a run that stays open is found interrupted.
            let _ = finish(ctx, &opening, &outcome, &[]);
            Err(error)
        }
    }
}

/// What the journal says of a command that was not started.
fn reason_of(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Error>() {
        Some(Error::Held { .. }) => "lock held".to_owned(),
        _ => "not started".to_owned(),
    }
}

fn open_log(path: &std::path::Path) -> Result<File, common::Error> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(common::error::file("open the log", path))
}

fn open(tx: &Connection, args: &Args, ctx: &Ctx, now: Timestamp) -> Result<Opening, Stop> {
    runs::reap(tx, &ctx.here, now)?;
    let agent = match agents::find(tx, args.agent.as_str())? {
        Some(agent) if agent.retired_at.is_none() => agent,
        known => {
            let name = known.as_ref().map_or(args.agent.as_str(), |agent| agent.name.as_str());
            agents::register(tx, name, &Registration::default(), now)?.0
        }
    };
    if let Some(run) = adopt(tx, ctx, &agent, now)? {
        return Ok(Opening { agent, run });
    }
    let slot = args.slot.as_ref().map(|slot| slot.name(now));
    let holder = Holder::this_process(&ctx.here);
    let new = NewRun {
        agent: Some(&agent.agent_id),
        job: args.job.as_ref().map(AsRef::as_ref),
        slot: slot.as_deref(),
        lease: LEASE,
        holder: holder.as_ref(),
        output_path: None,
    };
    match runs::open(tx, &new, now)? {
        Opened::New(run) => Ok(Opening { run: store::run(tx, run.as_str())?, agent }),
        Opened::SlotTaken(run) => Err(Error::SlotTaken { run }.into()),
    }
}

/// The run that an outer guard opened and that has no agent yet.
fn adopt(
    tx: &Connection,
    ctx: &Ctx,
    agent: &Agent,
    now: Timestamp,
) -> rusqlite::Result<Option<Run>> {
    let Some(outer) = &ctx.outer_run else { return Ok(None) };
    let is_free = runs::get(tx, outer.as_str())?.is_some_and(|run| run.agent_id.is_none());
    if is_free { runs::adopt(tx, outer, &agent.agent_id, now) } else { Ok(None) }
}

fn hold_and_run(
    args: &Args,
    ctx: &Ctx,
    opening: &Opening,
    log: Option<&File>,
) -> anyhow::Result<Exit> {
    let grants = take_locks(args, ctx, opening)?;
    let mut tail = Tail::new(TAIL_BYTES);
    let lost = Cell::new(false);
    let fate = run_child(args, ctx, opening, &grants, log, &mut tail, &lost);
    let fate = match fate {
        Ok(fate) => fate,
        Err(error) => {
            let outcome = Outcome {
                status: Some(Status::Failed),
                reason: Some("not started".to_owned()),
                exit_code: Some(i64::from(common::report::Report::of::<Error>(&error).exit.code())),
                ..Outcome::default()
            };
            let _ = finish(ctx, opening, &outcome, &grants);
            return Err(error);
        }
    };
    let outcome = outcome_of(&fate, lost.get(), tail.text());
    if let Err(error) = finish(ctx, opening, &outcome, &grants) {
        // The command has run, and its code is what the caller asked for; the journal finds out later.
        report::fail::<Error>(TOOL, ctx.json, &error);
    }
    Ok(fate.exit())
}

fn take_locks(args: &Args, ctx: &Ctx, opening: &Opening) -> anyhow::Result<Vec<Grant>> {
    if args.locks.is_empty() {
        return Ok(Vec::new());
    }
    let request = Request {
        claims: claims(args.locks.iter().map(ToString::to_string)),
        agent: Some(opening.agent.agent_id.clone()),
        run: Some(opening.run.run_id.clone()),
        reason: args.job.as_ref().map(ToString::to_string),
        ttl: args.ttl,
        holder: Holder::this_process(&ctx.here),
        waiter: None,
    };
    let waiting = Waiting { patience: args.wait, held_exit: Exit::No };
    obtain::obtain(&mut ctx.open()?, &ctx.here, request, waiting)
}

/// Exclusive claims in sorted order, each once, so that no two commands wait for each other.
pub(crate) fn claims(resources: impl Iterator<Item = String>) -> Vec<Claim> {
    let sorted: std::collections::BTreeSet<String> = resources.collect();
    sorted.into_iter().map(|resource| Claim { resource, shared: false, is_path: false }).collect()
}

fn run_child(
    args: &Args,
    ctx: &Ctx,
    opening: &Opening,
    grants: &[Grant],
    log: Option<&File>,
    tail: &mut Tail,
    lost: &Cell<bool>,
) -> anyhow::Result<Fate> {
    let mut command = command(args, ctx, opening, grants);
    let stderr = io::stderr();
    let stdout = io::stdout();
    let takes_stdout = log.is_some();
    let takes_stderr = log.is_some() || !stderr.is_terminal();
    if takes_stdout {
        command.stdout(Stdio::piped());
    }
    if takes_stderr {
        command.stderr(Stdio::piped());
    }
    let mut keeper = Keeper::new(args, ctx, opening, grants);
    let supervisor = Supervisor::new()
        .with_timeout(args.timeout)
        .with_grace(if grants.is_empty() { common::child::GRACE } else { LOSS_GRACE })
        .with_watch(keeper.interval(), || {
            let watch = keeper.look();
            lost.set(watch == Watch::Stop);
            watch
        });
    let mut running = supervisor.start(command)?;
    if let Some(pipe) = running.child.stdout.take() {
        running.read(Stream::new(pipe, Some(stdout.as_fd()), |piece| write_log(log, piece)));
    }
    if let Some(pipe) = running.child.stderr.take() {
        running.read(Stream::new(pipe, Some(stderr.as_fd()), |piece| {
            tail.push(piece);
            write_log(log, piece);
        }));
    }
    Ok(running.wait()?)
}

/// A full disk must not end the command whose output it is.
fn write_log(log: Option<&File>, piece: &[u8]) {
    if let Some(mut log) = log {
        let _ = log.write_all(piece);
    }
}

fn command(args: &Args, ctx: &Ctx, opening: &Opening, grants: &[Grant]) -> Command {
    // The parser requires a command, so the first word is there.
    let mut words = args.command.iter();
    let mut command = Command::new(words.next().map_or_else(Default::default, Clone::clone));
    command
        .args(words)
        .env(RUN_ID_VARIABLE, opening.run.run_id.as_str())
        .env(AGENT_VARIABLE, &opening.agent.name)
        .env(AGENT_ID_VARIABLE, opening.agent.agent_id.as_str());
    match &opening.run.job {
        Some(job) => command.env(JOB_VARIABLE, job),
        None => command.env_remove(JOB_VARIABLE),
    };
    if let Some(database) = &ctx.database.db
        && let Ok(absolute) = std::path::absolute(database)
    {
        command.env("AGENT_STATE_DB", absolute);
    }
    // Numbered as the locks stand on the command line, whatever the order in which they are taken.
    for (n, resource) in args.locks.iter().enumerate() {
        if let Some(grant) = grants.iter().find(|grant| grant.resource == resource.as_str()) {
            command.env(format!("AGENT_STATE_LOCK_TOKEN_{}", n + 1), grant.token.to_string());
        }
    }
    command
}

/// Keeps the lease of the run and the locks alive while the command runs.
struct Keeper<'a> {
    ctx: &'a Ctx,
    opening: &'a Opening,
    grants: &'a [Grant],
    ttl: Duration,
    lease: Duration,
    /// The locks are ours until then, unless they are renewed.
    held_until: Timestamp,
    renew_at: Timestamp,
    beat_at: Timestamp,
}

impl<'a> Keeper<'a> {
    fn new(args: &Args, ctx: &'a Ctx, opening: &'a Opening, grants: &'a [Grant]) -> Self {
        let lease =
            Duration::from_millis(u64::try_from(opening.run.lease_ms).unwrap_or(1)).min(LEASE);
        let now = clock::now();
        Self {
            ctx,
            opening,
            grants,
            ttl: args.ttl,
            lease,
            held_until: grants.iter().map(|grant| grant.expires_at).min().unwrap_or(now),
            renew_at: now.plus(args.ttl / 3),
            beat_at: now.plus(lease / 3),
        }
    }

    fn interval(&self) -> Duration {
        let third = self.lease / 3;
        let interval =
            if self.grants.is_empty() { third } else { LOOK.min(self.ttl / 3).min(third) };
        interval.max(Duration::from_millis(1))
    }

    /// Renews what is due. A database that cannot be reached ends nothing before the locks run out.
    fn look(&mut self) -> Watch {
        let now = clock::now();
        if !self.grants.is_empty() && self.locks_are_lost(now) {
            return Watch::Stop;
        }
        if now >= self.beat_at {
            let beat = self.ctx.write("note a heartbeat in", |tx, now| {
                Ok(runs::heartbeat(tx, &self.opening.run.run_id, None, now)?)
            });
            if beat.is_ok() {
                self.beat_at = now.plus(self.lease / 3);
            }
        }
        Watch::GoOn
    }

    fn locks_are_lost(&mut self, now: Timestamp) -> bool {
        if now >= self.renew_at {
            let renewed = self.ctx.write("renew locks in", |tx, now| {
                Ok(locks::keep_alive(tx, self.grants, self.ttl, now)?)
            });
            match renewed {
                Ok(Some(until)) => {
                    self.held_until = until;
                    self.renew_at = now.plus(self.ttl / 3);
                    return false;
                }
                Ok(None) => return true,
                Err(_) => {}
            }
        } else {
            let current = self
                .ctx
                .read("look at locks in", |tx, now| Ok(locks::are_current(tx, self.grants, now)?));
            if let Ok(current) = current {
                return !current;
            }
        }
        now >= self.held_until
    }
}

fn outcome_of(fate: &Fate, lost: bool, stderr_tail: String) -> Outcome {
    let (exit_code, signal) = match fate.end {
        End::Code(code) => (Some(i64::from(code)), None),
        End::Signal(signal) => (None, Some(i64::from(signal))),
    };
    let (status, reason) = if lost {
        (Some(Status::Failed), Some("lock lost".to_owned()))
    } else if fate.timed_out {
        (Some(Status::Failed), Some("timed out".to_owned()))
    } else {
        (None, None)
    };
    let stderr_tail = (!stderr_tail.is_empty()).then_some(stderr_tail);
    Outcome { status, reason, exit_code, signal, stderr_tail, ..Outcome::default() }
}

/// Writes the outcome and gives the locks back. A run that was finished from outside stays as it is.
fn finish(ctx: &Ctx, opening: &Opening, outcome: &Outcome, grants: &[Grant]) -> anyhow::Result<()> {
    ctx.write("finish a run in", |tx, now| {
        for grant in grants {
            locks::release(tx, grant, now)?;
        }
        runs::finish(tx, &opening.run.run_id, outcome, now)?;
        Ok(())
    })
}
