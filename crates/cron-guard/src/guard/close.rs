//! The end of a run: its outcome goes into the journal, and the breaker moves, in one transaction.

use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::runs::{self, Finished, Outcome, RunId, Status};
use common::sql::{self, Connection};

use super::admit::look_now;
use super::look::Closing;
use super::record::{Scene, record};
use super::{Guard, rounds};
use crate::machine::State;
use crate::machine::outcome::{OVERDUE, SLEPT};
use crate::store::alerts;

/// How the command of a run ended.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    /// A signal that was not the command's own ended it: neutral, whatever the row says.
    pub(crate) stopped: bool,
    /// How long it ran, by the clock that stops while the machine sleeps; `None` when it was not to its end.
    pub(crate) elapsed: Option<Duration>,
}

/// What the end of a run changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closed {
    /// Why the job is blocked now, when this run blocked it.
    pub(crate) tripped: Option<String>,
    /// Whether an alert is to be sent now.
    pub(crate) has_due_alert: bool,
}

impl Guard<'_> {
    /// Records how `run` ended, unless somebody inside it said more, and judges the job.
    pub(crate) fn close(
        &mut self,
        name: &str,
        run: &RunId,
        ending: &Ending,
    ) -> Result<Closed, common::Error> {
        let now = Self::now();
        let own = self.settings.job(name);
        let here = self.here().clone();
        let settings = self.settings;
        let named_db = self.named_db.clone();
        let (closed, moved) = self.db.write("write to", |tx| {
            let outcome = timed(tx, run, ending, own.rules.max_runtime, now)?;
            // What an inner `agent-state exec` said of its part is not the end of the whole.
            let (Finished::Done(_) | Finished::Already(_) | Finished::Unknown) =
                runs::conclude(tx, run, &outcome, now)?;
            let scene = Scene { settings, own: &own, named_db: named_db.as_deref(), now };
            let closing = Closing { run: run.as_str(), stopped: ending.stopped };
            let mut look = look_now(tx, name, &scene, &here, Some(&closing))?;
            let was = look.effects.first().map(|step| step.before);
            let moved = record(tx, &mut look, &scene)?;
            rounds::tell_budgets(tx, &scene, name)?;
            let is_news = was.is_some_and(|was| was != State::Open.as_str())
                && look.job.breaker.state == State::Open;
            let tripped = is_news.then(|| look.job.breaker.reason.clone()).flatten();
            // Asked here, since another transaction for it would cost a tenth of the gate.
            let has_due_alert = alerts::is_any_due(tx, now)?;
            Ok((Closed { tripped, has_due_alert }, moved))
        })?;
        if moved {
            self.remember();
        }
        Ok(closed)
    }

    /// Renews the lease of a run while its process lives. A failure is left to the next time.
    pub(crate) fn keep_alive(&mut self, run: &RunId) {
        let now = Self::now();
        let _ = self.db.write_relaxed("write to", |tx| runs::heartbeat(tx, run, None, now));
    }
}

/// The outcome, held against the maximum runtime: what took longer has failed, and what took longer by the wall
/// clock only has not.
fn timed(
    tx: &Connection,
    run: &RunId,
    ending: &Ending,
    limit: Option<Duration>,
    now: Timestamp,
) -> sql::Result<Outcome> {
    let mut outcome = ending.outcome.clone();
    let Some((limit, elapsed)) = limit.zip(ending.elapsed) else { return Ok(outcome) };
    if outcome.reason.is_some() || outcome.resolved() == Status::Interrupted {
        return Ok(outcome);
    }
    if elapsed > limit {
        outcome.status = Some(Status::Failed);
        outcome.reason = Some(OVERDUE.to_owned());
    } else if runs::get(tx, run.as_str())?.is_some_and(|run| now.since(run.started_at) > limit) {
        outcome.reason = Some(SLEPT.to_owned());
    }
    Ok(outcome)
}
