//! Where a job stands for those who look at the fleet: kept back, late, on probation, or well.

use std::fmt;

use super::admit::Verdict;
use super::fleet::Member;
use crate::late::Lateness;
use crate::machine::State;
use crate::settings::Mode;

/// How far a blocked job that probes itself is on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Its next tick runs, and decides.
    Due,
    /// The run that decides is alive.
    Running,
}

impl Probe {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Running => "running",
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Due => "a probe is due",
            Self::Running => "a probe is running",
        })
    }
}

impl Member {
    /// Whether it is kept back: it may not run now, or as a probe only.
    pub(crate) fn is_blocked(&self) -> bool {
        self.is_stopped() || self.probe().is_some()
    }

    /// Whether it may not run now.
    pub(crate) fn is_stopped(&self) -> bool {
        match &self.verdict {
            // Another run is deciding at this moment; the job itself is on its way back.
            Verdict::Blocked(block) => block.kind != "probe_running",
            Verdict::Go { .. } => false,
        }
    }

    /// What the hold is on that keeps it from running.
    pub(crate) fn hold(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Blocked(block) => block.hold.as_deref(),
            Verdict::Go { .. } => None,
        }
    }

    /// The probe that decides whether it is blocked any longer.
    pub(crate) fn probe(&self) -> Option<Probe> {
        if self.job.breaker.state == State::Closed || self.is_resumed() {
            return None;
        }
        match &self.verdict {
            Verdict::Go { probe: true } => Some(Probe::Due),
            Verdict::Blocked(block) if block.kind == "probe_running" => Some(Probe::Running),
            _ => None,
        }
    }

    /// Whether a person has resumed it, and no run has shown yet that it is well.
    pub(crate) fn is_on_probation(&self) -> bool {
        self.is_resumed() && self.own.mode == Mode::Enforce && !self.is_stopped()
    }

    fn is_resumed(&self) -> bool {
        self.job.breaker.state == State::HalfOpen && self.job.breaker.probation
    }

    /// Whether it should have started and did not.
    pub(crate) fn is_late(&self) -> bool {
        !self.is_blocked() && self.lateness.missed().is_some()
    }

    /// Whether nobody can say when it should run, although its declaration tries to.
    pub(crate) fn is_misdeclared(&self) -> bool {
        self.misdeclared.is_some()
    }

    /// Whether all is well with it.
    pub(crate) fn is_healthy(&self) -> bool {
        !(self.is_blocked() || self.is_late() || self.is_on_probation() || self.is_misdeclared())
    }

    /// Whether somebody should look.
    pub(crate) fn is_problem(&self) -> bool {
        self.is_blocked()
            || self.is_late()
            || self.is_misdeclared()
            || self.job.breaker.state == State::Open
    }

    /// Why it is kept back.
    pub(crate) fn reason(&self) -> Option<String> {
        let reason = self.job.breaker.reason.as_deref();
        match (self.probe(), &self.verdict) {
            (Some(probe), _) => Some(format!("{}; {probe}", reason.unwrap_or("blocked"))),
            (None, Verdict::Blocked(block)) if self.is_stopped() => Some(block.reason.clone()),
            (None, _) => reason.map(ToOwned::to_owned),
        }
    }

    /// What is wrong, in words.
    pub(crate) fn problem(&self) -> Option<String> {
        self.reason().or_else(|| self.misdeclared.clone()).or_else(|| match self.lateness {
            Lateness::Late(slot) => Some(format!("late: expected {slot}")),
            Lateness::NeverRan(slot) => Some(format!("never ran: expected {slot}")),
            Lateness::Unscheduled | Lateness::OnTime => None,
        })
    }
}
