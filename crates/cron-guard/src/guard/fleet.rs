//! All jobs at once: those that are declared and those that the journal or the guard has seen.

use std::collections::{BTreeSet, HashMap};

use common::clock::Timestamp;
use common::fleet::liveness::Here;
use common::fleet::runs::Run;
use common::sql::{self, Connection};

use super::admit::{Block, Verdict, decide};
use super::look::{Look, look};
use super::record::{Scene, record};
use super::{Guard, rounds};
use crate::error::Error;
use crate::late::{self, Lateness};
use crate::machine::State;
use crate::outage::LastKnown;
use crate::settings::{JobSettings, Mode, Settings};
use crate::store::jobs::{self, Job};
use crate::store::skips::{self, GaveWay};
use crate::store::transitions::{self, Transition};
use crate::store::{facts, holds, journal};
use crate::{awake, budget};

/// The fact that says when the sweep last ran.
pub(crate) const SWEEP: &str = "sweep";
/// How long skipped ticks are remembered by the hour.
const SKIPS_KEPT: std::time::Duration = std::time::Duration::from_secs(60 * 24 * 3600);

/// How far back the ticks that gave way are shown.
const A_DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// One job as `status` and the sweep show it.
pub(crate) struct Member {
    pub(crate) job: Job,
    pub(crate) own: JobSettings,
    pub(crate) verdict: Verdict,
    pub(crate) lateness: Lateness,
    pub(crate) running: Vec<Run>,
    pub(crate) next: Option<Timestamp>,
    /// The ticks of the last day that gave way to another run.
    pub(crate) gave_way: GaveWay,
    /// The fleet is declared, and this job is not.
    pub(crate) undeclared: bool,
    /// What is wrong with its schedule or its zone, and where in the settings.
    pub(crate) misdeclared: Option<String>,
    /// It is open and runs all the same, since somebody changed its declaration.
    pub(crate) unblocked_by: Option<Transition>,
    /// The journal cannot be read; this is what was last known.
    pub(crate) unknown: bool,
}

/// The word for the state of a job: the breaker's, unless a person or a budget stops it or it is only observed.
pub(crate) fn state_word(verdict: &Verdict, job: &Job, own: &JobSettings) -> &'static str {
    match verdict {
        Verdict::Blocked(block) if block.kind == "held" => "held",
        Verdict::Blocked(block) if block.kind == "budget" => "budget",
        _ if own.mode == Mode::Observe && job.breaker.state != State::Closed => "observe",
        _ => job.breaker.state.as_str(),
    }
}

impl Member {
    /// The word for its state.
    pub(crate) fn state(&self) -> &'static str {
        state_word(&self.verdict, &self.job, &self.own)
    }

    /// What else is to be said of it, beside its state.
    pub(crate) fn overlays(&self, now: Timestamp) -> Vec<&'static str> {
        let is_stuck = |run: &Run| {
            self.own.rules.max_runtime.is_some_and(|limit| now > run.started_at.plus(limit))
        };
        let lateness = match self.lateness {
            Lateness::Late(_) if !self.is_stopped() => Some("late"),
            Lateness::NeverRan(_) => Some("never ran"),
            _ => None,
        };
        let is_new = self.job.last_run.is_none() && lateness.is_none() && !self.unknown;
        [
            self.unknown.then_some("unknown"),
            lateness,
            is_new.then_some("new"),
            self.running.iter().any(is_stuck).then_some("stuck"),
            (!self.running.is_empty()).then_some("running"),
            self.job.breaker.flapping.then_some("flapping"),
            self.job.breaker.broken.then_some("broken"),
            self.undeclared.then_some("undeclared"),
            self.misdeclared.is_some().then_some("misdeclared"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Guard<'_> {
    /// Looks at every job, records what is new, tells what is due.
    pub(crate) fn sweep(&mut self) -> Result<Vec<Member>, common::Error> {
        let now = Self::now();
        let settings = self.settings;
        let here = self.here().clone();
        let named_db = self.named_db.clone();
        let (members, moved) = self.db.write("write to", |tx| {
            let (awake_since, awake) = awake::since(tx, now)?;
            let mut moved = false;
            for (_, look) in looks(tx, settings, &here, now)? {
                let Some(mut look) = look.filter(|look| look.changed) else { continue };
                let own = settings.job(&look.job.name);
                let scene = Scene { settings, own: &own, named_db: named_db.as_deref(), now };
                moved |= record(tx, &mut look, &scene)?;
            }
            let written_at = settings.written_at();
            for name in settings.declared() {
                let job = jobs::get(tx, name)?.unwrap_or_else(|| Job::new(name));
                if job.declared_at.is_none() {
                    let declared_at = declared_at(&job, written_at, now).or(Some(now));
                    jobs::save(tx, &Job { declared_at, ..job })?;
                }
            }
            let mut members = view_since(tx, settings, &here, awake_since, now)?;
            for member in &mut members {
                let own = member.own.clone();
                let scene = Scene { settings, own: &own, named_db: named_db.as_deref(), now };
                rounds::tell_lateness(tx, member, &scene)?;
            }
            rounds::tell_standings(tx, settings, &budget::of_everything(tx, settings, now)?, now)?;
            rounds::tell_digest(tx, settings, &members, now)?;
            awake::remember(tx, &awake, now)?;
            facts::put(tx, SWEEP, "done", now)?;
            skips::prune(tx, now.minus(SKIPS_KEPT))?;
            Ok((members, moved))
        })?;
        crate::outage::end(self.db.place().local());
        if moved {
            self.remember();
        }
        self.tell();
        Ok(members)
    }
}

/// Every job as it stands now. Writes nothing.
pub(crate) fn view(
    connection: &Connection,
    settings: &Settings,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Vec<Member>> {
    let (awake_since, _) = awake::since(connection, now)?;
    view_since(connection, settings, here, awake_since, now)
}

fn view_since(
    connection: &Connection,
    settings: &Settings,
    here: &Here,
    awake_since: Timestamp,
    now: Timestamp,
) -> sql::Result<Vec<Member>> {
    let is_declared = settings.declared().next().is_some();
    let written_at = settings.written_at();
    let misdeclared = settings.misdeclared();
    let gave_way = skips::apart(connection, now.minus(A_DAY))?;
    let holds = holds::all(connection)?;
    let mut members = Vec::new();
    for (job, look) in looks(connection, settings, here, now)? {
        let (mut job, running) = match look {
            Some(look) => (look.job, look.running),
            None => (job, Vec::new()),
        };
        let own = settings.job(&job.name);
        if own.declared {
            job.declared_at = declared_at(&job, written_at, now);
        }
        let verdict = decide(connection, &job, &own, settings, &holds, now)?;
        let lateness = late::judge(&job, &own, awake_since, now);
        let next = late::next(&job, &own, now);
        let undeclared = is_declared && !own.declared;
        let gave_way = gave_way.get(&job.name).copied().unwrap_or_default();
        let misdeclared = misdeclared.get(job.name.as_str()).map(Error::about_line);
        let opened_at = job.breaker.opened_at.filter(|_| matches!(verdict, Verdict::Go { .. }));
        let unblocked_by = match opened_at {
            Some(opened_at) => transitions::unblocked_by(connection, &job.name, opened_at)?,
            None => None,
        };
        members.push(Member {
            job,
            own,
            verdict,
            lateness,
            running,
            next,
            gave_way,
            undeclared,
            misdeclared,
            unblocked_by,
            unknown: false,
        });
    }
    Ok(members)
}

/// Since when a job is declared. One that came before any sweep saw its declaration is expected from the
/// moment on at which the file was last written; one that never came, from the first sweep on.
fn declared_at(job: &Job, written_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    job.declared_at.or_else(|| job.last_tick_at.and(written_at).map(|at| at.min(now)))
}

/// The jobs as they were last known, while the journal cannot be read.
pub(crate) fn last_known(settings: &Settings, known: &LastKnown, now: Timestamp) -> Vec<Member> {
    let misdeclared = settings.misdeclared();
    let names: BTreeSet<&str> = settings.declared().chain(known.open_jobs()).collect();
    names
        .into_iter()
        .map(|name| {
            let own = settings.job(name);
            let mut job = Job::new(name);
            if let Some(reason) = known.why_open(name) {
                job.breaker.state = State::Open;
                job.breaker.reason = Some(reason.to_owned());
            }
            let verdict = known.verdict(name, &own).unwrap_or_else(|| {
                let reason = "the journal cannot be read, and the job is of tier high";
                Verdict::Blocked(Block::new("unknown", reason))
            });
            let next = late::next(&job, &own, now);
            Member {
                job,
                own,
                verdict,
                lateness: Lateness::Unscheduled,
                running: Vec::new(),
                next,
                gave_way: GaveWay::default(),
                undeclared: false,
                misdeclared: misdeclared.get(name).map(Error::about_line),
                unblocked_by: None,
                unknown: true,
            }
        })
        .collect()
}

/// Every job, with a look at those that can have changed.
fn looks(
    connection: &Connection,
    settings: &Settings,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Vec<(Job, Option<Look>)>> {
    let mut stored = jobs::all(connection)?;
    let newest = journal::newest_runs(connection)?;
    let mut found = Vec::new();
    for name in names(settings, &stored, &newest) {
        let job = stored.remove(&name).unwrap_or_else(|| Job::new(&name));
        let is_settled = job.pending.is_empty()
            && job.breaker.state == State::Closed
            && newest.get(&name).is_none_or(|run| *run <= job.watermark);
        let look = if is_settled {
            None
        } else {
            let own = settings.job(&name);
            Some(look(connection, &job, &own, &|| here.clone(), now, None)?)
        };
        found.push((job, look));
    }
    Ok(found)
}

fn names(
    settings: &Settings,
    stored: &HashMap<String, Job>,
    newest: &HashMap<String, String>,
) -> BTreeSet<String> {
    settings
        .declared()
        .map(ToOwned::to_owned)
        .chain(stored.keys().cloned())
        .chain(newest.keys().cloned())
        .collect()
}
