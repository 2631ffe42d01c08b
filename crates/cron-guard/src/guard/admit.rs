//! The gate: may this job run now, and if so, its run is opened in the same transaction.

use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::liveness::Holder;
use common::fleet::runs::{self, NewRun, Opened, RunId};
use common::sql::{self, Connection};

use super::look::{Closing, look};
use super::record::{Scene, record};
use super::{Guard, Look, rounds};
use crate::budget::{self, Level};
use crate::machine::{Answer, State};
use crate::settings::{JobSettings, Mode, Settings, Tier};
use crate::store::facts;
use crate::store::holds::{self, Hold};
use crate::store::jobs::{self, Job, Pending};
use crate::store::skips;

/// How long a run of `exec` counts as running without a sign of life, where its process cannot be seen.
pub(crate) const LEASE: Duration = Duration::from_secs(15 * 60);

/// Why a job does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// One word for programs: open, probe_running, held, overlap, spacing, budget, unknown.
    pub(crate) kind: &'static str,
    /// The reason for people.
    pub(crate) reason: String,
    /// What the hold that blocks it is on.
    pub(crate) hold: Option<String>,
}

impl Block {
    pub(crate) fn new(kind: &'static str, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), hold: None }
    }

    /// Open, and why.
    pub(crate) fn open(reason: &str) -> Self {
        Self::new("open", reason)
    }
}

/// The answer to "may it run".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go { probe: bool },
    Blocked(Block),
}

/// What `exec` asks for beyond the breaker.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// No second run while one is alive.
    pub(crate) no_overlap: bool,
    /// The least time between two starts in this group.
    pub(crate) spacing: Option<(String, Duration)>,
    /// A start that comes too early for its group waits instead of being skipped.
    pub(crate) waits: bool,
}

/// What came of asking for a run.
#[derive(Debug)]
pub(crate) enum Admission {
    /// The run is open.
    Go { run: RunId, probe: bool },
    /// It does not run. For a group that keeps its distance, when it may.
    Blocked { block: Block, retry_at: Option<Timestamp> },
}

impl Guard<'_> {
    /// Decides without opening a run. Writes only what changed: a new state, a counted block, a lease.
    pub(crate) fn check(&mut self, name: &str) -> Result<Verdict, common::Error> {
        let now = Self::now();
        let own = self.settings.job(name);
        let settings = self.settings;
        if !budget::concerns(settings, &own)
            && self.db.read("read", |connection| jobs::is_at_rest(connection, name, now))?
        {
            self.require_record(&own)?;
            return Ok(Verdict::Go { probe: false });
        }
        let here = || self.here().clone();
        let quick = self.db.read("read", |connection| {
            let stored = jobs::get(connection, name)?.unwrap_or_else(|| Job::new(name));
            let look = look(connection, &stored, &own, &here, now, None)?;
            if look.changed || look.job.breaker.state != State::Closed {
                return Ok(None);
            }
            let verdict =
                decide(connection, &look.job, &own, settings, &holds::all(connection)?, now)?;
            Ok((verdict == Verdict::Go { probe: false }).then_some(()))
        })?;
        if quick.is_some() {
            self.require_record(&own)?;
            self.tell_aside();
            return Ok(Verdict::Go { probe: false });
        }
        let here = self.here().clone();
        let named_db = self.named_db.clone();
        let (verdict, moved) = self.db.write("write to", |tx| {
            let scene = Scene { settings, own: &own, named_db: named_db.as_deref(), now };
            let mut look = look_now(tx, name, &scene, &here, None)?;
            let moved = record(tx, &mut look, &scene)?;
            let verdict = decide(tx, &look.job, &own, settings, &holds::all(tx)?, now)?;
            match &verdict {
                Verdict::Go { probe: true } => {
                    look.job.breaker.grant(&own.rules, None, now);
                    jobs::save(tx, &look.job)?;
                }
                Verdict::Go { probe: false } => {}
                Verdict::Blocked(block) => {
                    count_skip(tx, &mut look.job, block, now)?;
                    rounds::tell_budgets(tx, &scene, name)?;
                }
            }
            Ok((verdict, moved))
        })?;
        if moved {
            self.remember();
        }
        self.tell_aside();
        Ok(verdict)
    }

    /// A job of tier high runs on the record or not at all: what can be read can be a journal that nobody can
    /// write to. The transaction changes nothing, so that it costs a lock and no disk.
    fn require_record(&mut self, own: &JobSettings) -> Result<(), common::Error> {
        if own.tier != Tier::High {
            return Ok(());
        }
        self.db.write_relaxed("write to", facts::require_writable)
    }

    /// Decides and, when the job may run, opens its run; for a probe, with the one lease.
    ///
    /// Not waited for on the disk: a power cut ends the run as well.
    pub(crate) fn admit(
        &mut self,
        name: &str,
        terms: &Terms,
        holder: Option<&Holder>,
    ) -> Result<Admission, common::Error> {
        let now = Self::now();
        let own = self.settings.job(name);
        let here = self.here().clone();
        let settings = self.settings;
        let named_db = self.named_db.clone();
        let (admission, moved) = self.db.write_relaxed("write to", |tx| {
            let scene = Scene { settings, own: &own, named_db: named_db.as_deref(), now };
            let mut look = look_now(tx, name, &scene, &here, None)?;
            let moved = record(tx, &mut look, &scene)?;
            let mut retry_at = None;
            // What `check` reserved for the next run is for this one: transactions let in exactly one.
            let answer = look.job.breaker.ask_to_start(&own.rules, now);
            let holds = holds::all(tx)?;
            let verdict = match decide_by(answer, tx, &look.job, &own, settings, &holds, now)? {
                Verdict::Blocked(block) => Err(block),
                Verdict::Go { probe } => match refused_by(tx, &look, terms, now)? {
                    Some((block, at)) => {
                        retry_at = at;
                        Err(block)
                    }
                    None => Ok(probe),
                },
            };
            let probe = match verdict {
                Ok(probe) => probe,
                Err(block) => {
                    // Who waits for its turn skips nothing.
                    if !(terms.waits && retry_at.is_some()) {
                        count_skip(tx, &mut look.job, &block, now)?;
                    }
                    rounds::tell_budgets(tx, &scene, name)?;
                    return Ok((Admission::Blocked { block, retry_at }, moved));
                }
            };
            let new = NewRun {
                agent: None,
                job: Some(name),
                slot: None,
                lease: LEASE,
                holder,
                output_path: None,
            };
            let run = match runs::open(tx, &new, now)? {
                Opened::New(run) => run,
                // Without a slot there is none to be taken; its run would be the right answer all the same.
                Opened::SlotTaken(taken) => taken.run_id,
            };
            if let Some((group, _)) = &terms.spacing {
                skips::started_in_group(tx, group, name, now)?;
            }
            let job = &mut look.job;
            job.watermark = run.to_string();
            job.pending.push(Pending { run: run.to_string(), counts: true, guarded: true });
            job.last_started_at = Some(now);
            job.last_tick_at = job.last_tick_at.max(Some(now));
            job.last_run = Some(run.to_string());
            if probe {
                job.breaker.grant(&own.rules, Some(run.as_str()), now);
            } else {
                // It runs again, so what kept it back is over.
                job.skipped = 0;
                job.skipped_since = None;
            }
            jobs::save(tx, job)?;
            Ok((Admission::Go { run, probe }, moved))
        })?;
        // It could be written, so whatever was wrong with the journal is over.
        crate::outage::end(self.db.place().local());
        if moved {
            self.remember();
        }
        Ok(admission)
    }
}

/// Looks at a job inside a transaction.
pub(super) fn look_now(
    tx: &Connection,
    name: &str,
    scene: &Scene<'_>,
    here: &common::fleet::liveness::Here,
    closing: Option<&Closing<'_>>,
) -> sql::Result<Look> {
    let stored = jobs::get(tx, name)?.unwrap_or_else(|| Job::new(name));
    look(tx, &stored, scene.own, &|| here.clone(), scene.now, closing)
}

/// What a person, the breaker and the budgets say, in this order. Observed jobs always go.
pub(crate) fn decide(
    connection: &sql::Connection,
    job: &Job,
    own: &JobSettings,
    settings: &Settings,
    holds: &[Hold],
    now: Timestamp,
) -> sql::Result<Verdict> {
    decide_by(job.breaker.ask(&own.rules, now), connection, job, own, settings, holds, now)
}

/// The same, by an answer that the breaker gave already.
fn decide_by(
    answer: Answer,
    connection: &sql::Connection,
    job: &Job,
    own: &JobSettings,
    settings: &Settings,
    holds: &[Hold],
    now: Timestamp,
) -> sql::Result<Verdict> {
    if let Some(block) = block_by_hold(holds, &job.name, own) {
        return Ok(Verdict::Blocked(block));
    }
    let block = match answer {
        _ if own.mode == Mode::Observe => return Ok(Verdict::Go { probe: false }),
        answer @ (Answer::Go | Answer::Probe) => {
            if let Some(block) = block_by_budget(connection, settings, &job.name, own, now)? {
                return Ok(Verdict::Blocked(block));
            }
            return Ok(Verdict::Go { probe: answer == Answer::Probe });
        }
        Answer::Open => Block::open(job.breaker.reason.as_deref().unwrap_or("open")),
        Answer::ProbeRunning => Block::new("probe_running", "another run is the probe"),
    };
    Ok(Verdict::Blocked(block))
}

/// The budget that is used up, as the reason for a block. It ends by itself as the window slides.
fn block_by_budget(
    connection: &sql::Connection,
    settings: &Settings,
    name: &str,
    own: &JobSettings,
    now: Timestamp,
) -> sql::Result<Option<Block>> {
    if !budget::concerns(settings, own) {
        return Ok(None);
    }
    let standings = budget::of_job(connection, settings, name, own, now)?;
    let over = standings.iter().find(|standing| standing.level() == Level::Over);
    Ok(over.map(|standing| Block::new("budget", standing.describe())))
}

/// The hold that concerns a job, as the reason for a block.
pub(crate) fn block_by_hold(holds: &[Hold], job: &str, own: &JobSettings) -> Option<Block> {
    let hold = holds::concerning(holds, job, &own.labels)?;
    let block = Block::new("held", hold.in_words());
    Some(Block { hold: Some(hold.scope.clone()), ..block })
}

/// What the terms of this start forbid, and when it may be tried again.
fn refused_by(
    tx: &Connection,
    look: &Look,
    terms: &Terms,
    now: Timestamp,
) -> sql::Result<Option<(Block, Option<Timestamp>)>> {
    if terms.no_overlap
        && let Some(run) = look.running.first()
    {
        let reason = format!("run {} is still alive", run.run_id);
        return Ok(Some((Block::new("overlap", reason), None)));
    }
    let Some((group, distance)) = &terms.spacing else { return Ok(None) };
    let Some((job, started_at)) = skips::last_in_group(tx, group)? else { return Ok(None) };
    // A clock that went back must not hold the group for longer than the distance from now on.
    let started_at = if started_at > now {
        skips::started_in_group(tx, group, &job, now)?;
        now
    } else {
        started_at
    };
    let free_at = started_at.plus(*distance);
    if free_at <= now {
        return Ok(None);
    }
    let reason = format!("`{job}` of group {group} started {}", started_at.relative(now));
    Ok(Some((Block::new("spacing", reason), Some(free_at))))
}

/// Counts a tick that did not run, so that no skip is silent in the records.
pub(crate) fn count_skip(
    tx: &Connection,
    job: &mut Job,
    block: &Block,
    now: Timestamp,
) -> sql::Result<()> {
    // Who gives way to another run is not blocked, and is counted by the hour alone.
    if !skips::APART.contains(&block.kind) {
        job.skipped += 1;
        job.skipped_since.get_or_insert(now);
    }
    job.last_tick_at = job.last_tick_at.max(Some(now));
    jobs::save(tx, job)?;
    skips::count(tx, &job.name, block.kind, now)
}
