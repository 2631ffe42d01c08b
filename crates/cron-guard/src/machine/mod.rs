//! The circuit breaker of one job: states, what moves between them, and what is said about it.
//!
//! Pure: no clock, no database, no printing. Moments and runs come in as arguments, and what the
//! rest of the program has to tell or to do comes out as [`Effect`]s. `tests.rs` holds a reference
//! model and random sequences against it.

pub(crate) mod flap;
pub(crate) mod outcome;
mod settle;
#[cfg(test)]
mod tests;

use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::liveness::Holder;
use serde::{Deserialize, Serialize};

pub(crate) use outcome::{Kind, Mark, Outcome};

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum State {
    /// The job runs.
    #[default]
    Closed,
    /// The job is blocked.
    Open,
    /// One run decides: a leased probe, or the first run after a resume.
    HalfOpen,
}

impl State {
    /// The word for it, in the database and in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    /// The state that the word means.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Closed, Self::Open, Self::HalfOpen].into_iter().find(|state| state.as_str() == word)
    }
}

/// Who may open a blocked job again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Policy {
    /// A person, by `resume`.
    #[default]
    Manual,
    /// A probe, after the cooldown; or a person.
    Probe,
}

/// The numbers by which a breaker judges.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rules {
    /// Failures in a row that open it.
    pub(crate) threshold: u32,
    /// Successes in a row that close it when it is half-open.
    pub(crate) recover: u32,
    /// Who may open it again.
    pub(crate) policy: Policy,
    /// The wait before the first probe; doubled with each further trip.
    pub(crate) cooldown: Duration,
    /// How much longer than the cooldown this job waits (shorter at its cap), from 0 to 1: so that jobs that one
    /// outage stopped do not all probe at once.
    pub(crate) jitter: f64,
    /// How long a probe may take, and how long a run may go on before it counts as a failure.
    pub(crate) max_runtime: Option<Duration>,
    /// The percentages at which flapping starts and stops.
    pub(crate) flap: flap::Limits,
    /// Flapping blocks, too.
    pub(crate) flap_blocks: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            threshold: 3,
            recover: 1,
            policy: Policy::Manual,
            cooldown: Duration::from_secs(3600),
            jitter: 0.0,
            max_runtime: None,
            flap: flap::Limits::default(),
            flap_blocks: false,
        }
    }
}

/// The longest wait before a probe.
pub(crate) const COOLDOWN_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long a probe may take when the job has no maximum runtime.
pub(crate) const PROBE_MAX: Duration = Duration::from_secs(24 * 3600);
/// How soon the run must start for which `check` took the lease.
pub(crate) const CHECK_LEASE: Duration = Duration::from_secs(60);
/// How long a job stays open before it is reported as broken.
pub(crate) const BROKEN_AFTER: Duration = Duration::from_secs(14 * 24 * 3600);
/// Resumes without one success after which the guard pauses the job for good.
pub(crate) const RESUMES_MAX: u32 = 3;
/// Neutral outcomes in a row that are worth a warning.
pub(crate) const NEUTRALS_MAX: u32 = 3;
/// How many runs of a streak are remembered by id.
const FAILED_RUNS_MAX: usize = 10;
/// How many outcomes are remembered.
const RECENT_MAX: usize = 40;

/// The right to run once while the breaker is half-open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// The run that holds it; `None` while `check` waits for its run to start.
    pub(crate) run: Option<String>,
    /// When it was granted, in Unix milliseconds.
    pub(crate) granted_at: i64,
    /// When it passes, in Unix milliseconds.
    pub(crate) deadline: i64,
    /// The process that holds it, where it is known.
    #[serde(skip)]
    pub(crate) holder: Option<Holder>,
}

/// The breaker of one job, as it is stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Breaker {
    pub(crate) state: State,
    pub(crate) epoch: i64,
    pub(crate) streak: u32,
    pub(crate) successes: u32,
    pub(crate) trips: u32,
    pub(crate) manual: bool,
    pub(crate) probation: bool,
    pub(crate) resumes: u32,
    pub(crate) neutrals: u32,
    pub(crate) flapping: bool,
    pub(crate) broken: bool,
    pub(crate) recent: String,
    pub(crate) reason: Option<String>,
    pub(crate) incident: i64,
    pub(crate) opened_at: Option<Timestamp>,
    pub(crate) next_probe_at: Option<Timestamp>,
    pub(crate) lease: Option<Lease>,
    pub(crate) failed_runs: Vec<String>,
    pub(crate) first_failure_at: Option<Timestamp>,
    pub(crate) last_failure_at: Option<Timestamp>,
    pub(crate) last_success_at: Option<Timestamp>,
}

/// What the rest of the program has to tell, to record or to do after a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// It opened, and that is news.
    Tripped {
        /// It was on probation after a resume.
        after_resume: bool,
    },
    /// A probe failed; the incident goes on.
    ProbeFailed,
    /// A success closed it.
    Recovered,
    /// It opened once too often after resumes: the job is to be held until a person releases it.
    HoldIt,
    /// Its outcomes began to change too often; the percentage.
    FlappingStarted(f64),
    /// Its outcomes are steady again; the percentage.
    FlappingStopped(f64),
    /// It was interrupted several times in a row.
    Interruptions(u32),
    /// It has been open for so long that nobody seems to repair it.
    Broken,
}

/// What a breaker answers to a job that wants to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Run.
    Go,
    /// Run as the probe, once the lease is written.
    Probe,
    /// Do not run: it is open.
    Open,
    /// Do not run: another run is the probe.
    ProbeRunning,
}

impl Breaker {
    /// Whether a run that starts at this moment may go. The lease that `check` took is for the job's next run,
    /// and that is this one.
    pub(crate) fn ask_to_start(&self, rules: &Rules, now: Timestamp) -> Answer {
        match &self.lease {
            Some(lease) if self.state == State::HalfOpen && lease.run.is_none() => Answer::Probe,
            _ => self.ask(rules, now),
        }
    }

    /// Whether the job may run now. Changes nothing: a probe is granted by [`Breaker::grant`].
    pub(crate) fn ask(&self, rules: &Rules, now: Timestamp) -> Answer {
        match self.state {
            State::Closed => Answer::Go,
            State::HalfOpen if self.lease.is_some() => Answer::ProbeRunning,
            State::HalfOpen => Answer::Probe,
            State::Open if self.is_probe_due(rules, now) => Answer::Probe,
            State::Open => Answer::Open,
        }
    }

    /// A probe is due when the cooldown has passed. A clock that went back before the trip proves nothing.
    fn is_probe_due(&self, rules: &Rules, now: Timestamp) -> bool {
        rules.policy == Policy::Probe
            && !self.manual
            && self.opened_at.is_some_and(|opened| opened <= now)
            && self.next_probe_at.is_some_and(|due| due <= now)
    }

    /// Gives the one lease to `run`, also the one that `check` took; to the next run that starts when that is
    /// `None`.
    pub(crate) fn grant(&mut self, rules: &Rules, run: Option<&str>, now: Timestamp) {
        if self.state == State::Open {
            self.successes = 0;
        }
        self.state = State::HalfOpen;
        let length = match run {
            Some(_) => rules.max_runtime.unwrap_or(PROBE_MAX),
            None => CHECK_LEASE,
        };
        self.lease = Some(Lease {
            run: run.map(ToOwned::to_owned),
            granted_at: now.0,
            deadline: now.plus(length).0,
            holder: None,
        });
    }

    /// Binds a lease that `check` took to the run that started.
    pub(crate) fn bind(&mut self, rules: &Rules, run: &str, started_at: Timestamp) {
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.run.is_none()) {
            lease.run = Some(run.to_owned());
            lease.deadline = started_at.plus(rules.max_runtime.unwrap_or(PROBE_MAX)).0;
        }
    }

    /// Takes a lease back whose run never started. No verdict.
    pub(crate) fn expire_unused_lease(&mut self, now: Timestamp) -> bool {
        let unused =
            self.lease.as_ref().is_some_and(|lease| lease.run.is_none() && lease.deadline <= now.0);
        if unused {
            self.lease = None;
        }
        unused
    }

    /// The run of a lease whose time is over, and when the lease was granted.
    pub(crate) fn overdue_lease(&self, now: Timestamp) -> Option<(&str, Timestamp)> {
        let lease = self.lease.as_ref().filter(|lease| lease.deadline <= now.0)?;
        Some((lease.run.as_deref()?, Timestamp(lease.granted_at)))
    }

    /// A person opens the job again: a new epoch, on probation or with the full number of failures.
    ///
    /// Returns false, and changes nothing, when there is nothing to resume.
    pub(crate) fn resume(&mut self, fresh: bool) -> bool {
        if self.state == State::Closed
            || (self.state == State::HalfOpen && self.probation && !fresh)
        {
            return false;
        }
        self.epoch += 1;
        self.resumes = self.resumes.saturating_add(1);
        self.streak = 0;
        self.successes = 0;
        self.neutrals = 0;
        self.failed_runs.clear();
        self.first_failure_at = None;
        self.manual = false;
        self.broken = false;
        self.lease = None;
        self.next_probe_at = None;
        self.opened_at = None;
        self.reason = None;
        self.probation = !fresh;
        self.state = if fresh { State::Closed } else { State::HalfOpen };
        if fresh {
            self.trips = 0;
        }
        true
    }

    /// Notes that time has passed: a job that stays open for two weeks is broken.
    pub(crate) fn age(&mut self, now: Timestamp) -> Option<Effect> {
        let opened = self.opened_at.filter(|_| self.state == State::Open && !self.broken)?;
        if now.since(opened) < BROKEN_AFTER {
            return None;
        }
        self.broken = true;
        Some(Effect::Broken)
    }
}
