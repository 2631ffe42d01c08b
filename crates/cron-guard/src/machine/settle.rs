//! What an outcome does to a breaker.

use std::time::Duration;

use common::clock::Timestamp;

use super::{
    Breaker, COOLDOWN_MAX, Effect, FAILED_RUNS_MAX, Kind, NEUTRALS_MAX, Outcome, Policy,
    RECENT_MAX, RESUMES_MAX, Rules, State, flap,
};

impl Breaker {
    /// Takes in the outcome of a run of this epoch.
    pub(crate) fn settle(&mut self, rules: &Rules, outcome: &Outcome) -> Vec<Effect> {
        let holds_lease = self
            .lease
            .as_ref()
            .is_some_and(|lease| lease.run.as_deref() == Some(outcome.run.as_str()));
        self.remember(outcome);
        let mut effects = match outcome.kind {
            Kind::Success => self.succeed(rules, outcome, holds_lease),
            Kind::Failure => self.fail(rules, outcome, holds_lease, None),
            Kind::TripNow(code) => self.fail(rules, outcome, holds_lease, Some(code)),
            Kind::Neutral => {
                self.neutrals = self.neutrals.saturating_add(1);
                (self.neutrals == NEUTRALS_MAX)
                    .then_some(Effect::Interruptions(self.neutrals))
                    .into_iter()
                    .collect()
            }
        };
        if holds_lease {
            self.lease = None;
        }
        self.watch_flapping(rules, outcome, &mut effects);
        effects
    }

    fn remember(&mut self, outcome: &Outcome) {
        self.recent.push(outcome.mark.letter());
        let surplus = self.recent.len().saturating_sub(RECENT_MAX);
        self.recent.drain(..surplus);
    }

    fn succeed(&mut self, rules: &Rules, outcome: &Outcome, holds_lease: bool) -> Vec<Effect> {
        self.neutrals = 0;
        self.last_success_at = self.last_success_at.max(Some(outcome.at));
        match self.state {
            State::Closed => {
                self.forget_streak();
                // The first success after a fresh resume is the end of what was resumed.
                let recovers = self.resumes > 0;
                self.resumes = 0;
                recovers.then_some(Effect::Recovered).into_iter().collect()
            }
            // A late success of a run from before the trip closes nothing.
            State::Open => Vec::new(),
            State::HalfOpen if self.lease.is_some() && !holds_lease => Vec::new(),
            State::HalfOpen => {
                self.successes = self.successes.saturating_add(1);
                if self.successes < rules.recover {
                    return Vec::new();
                }
                self.close();
                vec![Effect::Recovered]
            }
        }
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.forget_streak();
        self.successes = 0;
        self.trips = 0;
        self.manual = false;
        self.probation = false;
        self.resumes = 0;
        self.broken = false;
        self.lease = None;
        self.reason = None;
        self.opened_at = None;
        self.next_probe_at = None;
    }

    fn forget_streak(&mut self) {
        self.streak = 0;
        self.failed_runs.clear();
        self.first_failure_at = None;
    }

    fn fail(
        &mut self,
        rules: &Rules,
        outcome: &Outcome,
        holds_lease: bool,
        trip_now: Option<u8>,
    ) -> Vec<Effect> {
        self.neutrals = 0;
        self.last_failure_at = self.last_failure_at.max(Some(outcome.at));
        if self.state == State::HalfOpen && self.lease.is_some() && !holds_lease {
            return Vec::new();
        }
        self.streak = self.streak.saturating_add(1);
        self.first_failure_at = self.first_failure_at.or(Some(outcome.at));
        if self.failed_runs.len() == FAILED_RUNS_MAX {
            self.failed_runs.remove(0);
        }
        self.failed_runs.push(outcome.run.clone());
        let at_once = trip_now.map(|code| format!("exit code {code} stops it at once"));
        match self.state {
            State::Open => Vec::new(),
            State::Closed if at_once.is_none() && self.streak < rules.threshold => Vec::new(),
            State::Closed => {
                self.manual = at_once.is_some();
                let reason = at_once.unwrap_or_else(|| streak_text(self.streak));
                self.trip(rules, outcome, reason, true);
                self.tripped(false)
            }
            State::HalfOpen => {
                let after_resume = self.probation;
                self.manual |= at_once.is_some();
                let reason = at_once.unwrap_or_else(|| {
                    let what =
                        if after_resume { "failed again after resume" } else { "probe failed" };
                    what.to_owned()
                });
                self.trip(rules, outcome, reason, after_resume);
                if after_resume { self.tripped(true) } else { vec![Effect::ProbeFailed] }
            }
        }
    }

    fn tripped(&mut self, after_resume: bool) -> Vec<Effect> {
        let mut effects = vec![Effect::Tripped { after_resume }];
        if self.resumes >= RESUMES_MAX {
            self.resumes = 0;
            effects.push(Effect::HoldIt);
        }
        effects
    }

    /// Opens. A trip that is news has an incident of its own; a failed probe belongs to the last one.
    fn trip(&mut self, rules: &Rules, outcome: &Outcome, reason: String, is_news: bool) {
        if is_news {
            self.incident += 1;
            self.opened_at = Some(outcome.at);
            self.broken = false;
        }
        self.state = State::Open;
        self.trips = self.trips.saturating_add(1);
        self.successes = 0;
        self.probation = false;
        self.lease = None;
        self.reason = Some(reason);
        self.next_probe_at = (rules.policy == Policy::Probe && !self.manual)
            .then(|| next_probe(outcome, cooldown(rules, self.trips)));
    }

    fn watch_flapping(&mut self, rules: &Rules, outcome: &Outcome, effects: &mut Vec<Effect>) {
        let Some(percentage) = flap::percentage(&self.recent) else { return };
        if !self.flapping && percentage >= rules.flap.start {
            self.flapping = true;
            effects.push(Effect::FlappingStarted(percentage));
            if rules.flap_blocks && self.state == State::Closed {
                self.trip(rules, outcome, format!("flapping ({percentage:.0} % changes)"), true);
                effects.extend(self.tripped(false));
            }
        } else if self.flapping && percentage <= rules.flap.stop {
            self.flapping = false;
            effects.push(Effect::FlappingStopped(percentage));
        }
    }
}

/// When the next probe is due. The wait is counted from the start of the run that failed, since a job's ticks
/// are, and is not over before half of it has passed since that run ended.
fn next_probe(failed: &Outcome, wait: Duration) -> Timestamp {
    failed.started_at.min(failed.at).plus(wait).max(failed.at.plus(wait / 2))
}

/// The wait before the next probe: doubled with each trip, spread by the job's jitter, less than a day.
///
/// A whole day would be too long for a nightly job by the seconds by which cron is early, or by the hour by which
/// the clocks change, and would cost it the next night. So the jitter shortens the longest wait.
pub(super) fn cooldown(rules: &Rules, trips: u32) -> Duration {
    let doublings = trips.saturating_sub(1).min(20);
    let wait = rules.cooldown.saturating_mul(1 << doublings);
    let jitter = rules.jitter.clamp(0.0, 1.0);
    wait.mul_f64(1.0 + jitter / 10.0).min(COOLDOWN_MAX.mul_f64(0.95 - jitter / 20.0))
}

/// `3 consecutive failures`.
pub(crate) fn streak_text(streak: u32) -> String {
    let failures = if streak == 1 { "failure" } else { "failures" };
    format!("{streak} consecutive {failures}")
}
