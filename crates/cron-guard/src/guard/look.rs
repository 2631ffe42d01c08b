//! What is new about a job since it was last looked at.
//!
//! Reads only: the caller decides whether to write what came of it. Each run counts exactly once,
//! whoever started and finished it: runs up to the watermark that had not ended are kept by id, and
//! every later run is new.

use common::clock::Timestamp;
use common::fleet::liveness::{Fate, Here};
use common::fleet::runs::{self, Run, Status};
use common::sql::{self, Connection};

use crate::machine::{Effect, Kind, Mark, Outcome};
use crate::settings::JobSettings;
use crate::store::jobs::{Job, Pending};

/// How many new runs are looked at; of more, the newest decide.
const RUNS_MAX: u32 = 500;

/// A job as it stands now, and what led there.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) job: Job,
    /// Whether it differs from what is stored.
    pub(crate) changed: bool,
    /// What happened, in order, each with the run that caused it.
    pub(crate) effects: Vec<Step>,
    /// Runs whose process is gone, to be recorded as interrupted.
    pub(crate) interrupted: Vec<Run>,
    /// Runs of the job that are alive.
    pub(crate) running: Vec<Run>,
}

/// Effects of one outcome.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) before: &'static str,
    pub(crate) after: &'static str,
    pub(crate) effects: Vec<Effect>,
    pub(crate) run: Option<String>,
    pub(crate) at: Timestamp,
}

/// A run whose guard records its end at this moment.
pub(crate) struct Closing<'a> {
    pub(crate) run: &'a str,
    /// A signal ended it that was not its own: neutral, whatever its row says.
    pub(crate) stopped: bool,
}

/// Looks at `stored` with what the journal holds now.
pub(crate) fn look(
    connection: &Connection,
    stored: &Job,
    settings: &JobSettings,
    here: &dyn Fn() -> Here,
    now: Timestamp,
    closing: Option<&Closing<'_>>,
) -> sql::Result<Look> {
    let mut seen = Seen::default();
    let mut job = stored.clone();
    let mut here_now = None;
    for pending in std::mem::take(&mut job.pending) {
        // A pruned run will never tell how it ended; without a row it counts as nothing.
        if let Some(run) = runs::get(connection, &pending.run)? {
            let is_closing = closing.is_some_and(|closing| closing.run == pending.run);
            let guarded = pending.guarded && !is_closing;
            seen.take(run, Pending { guarded, ..pending }, &mut here_now, here, now);
        }
    }
    for run in runs::of_job_after(connection, &job.name, &job.watermark, RUNS_MAX)? {
        job.watermark = run.run_id.to_string();
        job.last_started_at = Some(run.started_at);
        job.last_tick_at = job.last_tick_at.max(Some(run.started_at));
        job.last_run = Some(run.run_id.to_string());
        job.breaker.bind(&settings.rules, run.run_id.as_str(), run.started_at);
        let pending = Pending { run: run.run_id.to_string(), counts: true, guarded: false };
        seen.take(run, pending, &mut here_now, here, now);
    }
    seen.ended
        .sort_by(|(a, _), (b, _)| (a.finished_at, &a.run_id).cmp(&(b.finished_at, &b.run_id)));
    let mut look = Look {
        job,
        changed: false,
        effects: Vec::new(),
        interrupted: seen.interrupted,
        running: Vec::new(),
    };
    look.job.pending = seen.running.iter().map(|(_, pending)| pending.clone()).collect();
    for (run, pending) in seen.ended {
        let Some(mut outcome) = Outcome::of(&run, &settings.codes) else { continue };
        let is_stopped =
            closing.is_some_and(|closing| closing.stopped && closing.run == outcome.run);
        if is_stopped && outcome.kind != Kind::Success {
            outcome.kind = Kind::Neutral;
            outcome.mark = Mark::Neutral;
        }
        look.settle(settings, &outcome, pending.counts);
    }
    look.judge_running(settings, &seen.running, now);
    look.job.breaker.expire_unused_lease(now);
    look.settle_lost_lease(connection, settings, now)?;
    // A job that has only now been found open is news enough.
    if look.effects.is_empty()
        && let Some(effect) = look.job.breaker.age(now)
    {
        look.effects.push(Step {
            before: look.job.breaker.state.as_str(),
            after: look.job.breaker.state.as_str(),
            effects: vec![effect],
            run: None,
            at: now,
        });
    }
    look.running = seen.running.into_iter().map(|(run, _)| run).collect();
    look.changed = look.job != *stored || !look.interrupted.is_empty();
    Ok(look)
}

/// The runs of a job, sorted by whether they have ended.
#[derive(Default)]
struct Seen {
    ended: Vec<(Run, Pending)>,
    running: Vec<(Run, Pending)>,
    interrupted: Vec<Run>,
}

impl Seen {
    fn take(
        &mut self,
        run: Run,
        pending: Pending,
        here_now: &mut Option<Here>,
        here: &dyn Fn() -> Here,
        now: Timestamp,
    ) {
        if run.status != Status::Running {
            // Somebody inside has ended the run, and its guard has yet to say how the whole of it ends.
            let is_held = pending.guarded
                && run.holder.as_ref().is_some_and(|guard| {
                    guard.fate(here_now.get_or_insert_with(here)) == Fate::Alive
                });
            let list = if is_held { &mut self.running } else { &mut self.ended };
            list.push((run, pending));
            return;
        }
        let mut run = run.as_seen(here_now.get_or_insert_with(here), now);
        if run.status == Status::Running {
            self.running.push((run, pending));
            return;
        }
        self.interrupted.push(run.clone());
        run.finished_at = Some(now.max(run.started_at));
        self.ended.push((run, pending));
    }
}

impl Look {
    fn settle(&mut self, settings: &JobSettings, outcome: &Outcome, counts: bool) {
        if !counts {
            return;
        }
        let before = self.job.breaker.state;
        let effects = self.job.breaker.settle(&settings.rules, outcome);
        let after = self.job.breaker.state;
        if before != after {
            // What started before the change must not undo it.
            self.job.discount_pending();
        }
        if !effects.is_empty() {
            self.effects.push(Step {
                before: before.as_str(),
                after: after.as_str(),
                effects,
                run: Some(outcome.run.clone()),
                at: outcome.at,
            });
        }
    }

    /// A run that goes on after its maximum runtime is a failure now; what it does later is too late.
    fn judge_running(
        &mut self,
        settings: &JobSettings,
        running: &[(Run, Pending)],
        now: Timestamp,
    ) {
        for (run, _) in running {
            let limit = settings.rules.max_runtime;
            let is_over = limit.is_some_and(|limit| now > run.started_at.plus(limit));
            let started_at = run.started_at;
            self.judge_overdue(settings, (run.run_id.as_str(), started_at), is_over, now);
        }
        let overdue_probe =
            self.job.breaker.overdue_lease(now).map(|(run, since)| (run.to_owned(), since));
        if let Some((run, since)) = overdue_probe {
            self.judge_overdue(settings, (&run, since), true, now);
        }
    }

    fn judge_overdue(
        &mut self,
        settings: &JobSettings,
        (run, started_at): (&str, Timestamp),
        is_over: bool,
        now: Timestamp,
    ) {
        let counting = self
            .job
            .pending
            .iter_mut()
            .find(|pending| pending.run == run && pending.counts)
            .filter(|_| is_over);
        if let Some(pending) = counting {
            pending.counts = false;
            self.settle(settings, &Outcome::overdue(run, started_at, now), true);
        }
    }

    /// A lease whose run is neither running nor ended lost its row; nobody else will report it.
    fn settle_lost_lease(
        &mut self,
        connection: &Connection,
        settings: &JobSettings,
        now: Timestamp,
    ) -> sql::Result<()> {
        let lease = self.job.breaker.lease.as_ref();
        let holder =
            lease.and_then(|lease| Some((lease.run.clone()?, Timestamp(lease.granted_at))));
        if let Some((run, started_at)) = holder
            && runs::get(connection, &run)?.is_none()
        {
            let (kind, mark) = (Kind::Failure, Mark::Vanished);
            let outcome = Outcome { run, kind, mark, started_at, at: now };
            self.settle(settings, &outcome, true);
        }
        Ok(())
    }
}
