//! Writes what followed from a look: interrupted runs, the job's row, transitions, alerts.

use common::clock::Timestamp;
use common::fleet::runs::{self, Outcome as RunOutcome, Run, Status};
use common::sql::{self, Connection};

use super::look::{Look, Step};
use crate::alert::compose::{self, Facts};
use crate::machine::Effect;
use crate::settings::{JobSettings, Settings};
use crate::signature;
use crate::store::holds::{self, Hold, Scope};
use crate::store::transitions::{self, Transition};
use crate::store::{alerts, jobs};

/// The actor of what the guard does by itself.
pub(crate) const GUARD: &str = "cron-guard";

/// Everything that the writes of one look need to know.
pub(crate) struct Scene<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) own: &'a JobSettings,
    /// The flags that name the database in the commands of an alert.
    pub(crate) named_db: Option<&'a std::path::Path>,
    pub(crate) now: Timestamp,
}

/// Writes it all. Returns whether the state or an alert changed, so that others must be told.
pub(crate) fn record(tx: &Connection, look: &mut Look, scene: &Scene<'_>) -> sql::Result<bool> {
    for run in &look.interrupted {
        let outcome = RunOutcome {
            status: Some(Status::Interrupted),
            reason: run.reason.clone(),
            ..RunOutcome::default()
        };
        runs::finish(tx, &run.run_id, &outcome, scene.now)?;
    }
    let steps = std::mem::take(&mut look.effects);
    for step in &steps {
        for effect in &step.effects {
            apply(tx, look, step, effect, scene)?;
        }
    }
    if look.changed {
        jobs::save(tx, &look.job)?;
    }
    Ok(!steps.is_empty())
}

fn apply(
    tx: &Connection,
    look: &mut Look,
    step: &Step,
    effect: &Effect,
    scene: &Scene<'_>,
) -> sql::Result<()> {
    let last_run = match &step.run {
        Some(run) => runs::get(tx, run)?,
        None => None,
    };
    let signature = last_run.as_ref().map(signature::of);
    let fails_otherwise =
        *effect == Effect::ProbeFailed && signature.is_some() && signature != look.job.signature;
    let (kind, reason) = match effect {
        Effect::Tripped { .. } => {
            look.job.signature.clone_from(&signature);
            // What was skipped before this incident is history.
            look.job.skipped = 0;
            look.job.skipped_since = None;
            ("trip", look.job.breaker.reason.clone())
        }
        Effect::ProbeFailed if fails_otherwise => {
            // Who knows of the old error does not know of this one.
            look.job.signature.clone_from(&signature);
            look.job.acked_incident = None;
            ("probe_failed", signature.map(|form| format!("fails in another way: {form}")))
        }
        Effect::ProbeFailed => ("probe_failed", look.job.breaker.reason.clone()),
        Effect::Recovered => {
            look.job.signature = None;
            look.job.skipped = 0;
            look.job.skipped_since = None;
            ("recover", None)
        }
        Effect::HoldIt => {
            let reason = "three resumes without one success";
            let scope = Scope::Job(look.job.name.clone());
            let hold = Hold {
                scope: scope.to_string(),
                reason: reason.to_owned(),
                actor: GUARD.to_owned(),
                attended: true,
            };
            holds::put(tx, &hold, scene.now)?;
            ("hold", Some(reason.to_owned()))
        }
        Effect::FlappingStarted(percentage) => {
            ("flapping_start", Some(format!("{percentage:.0} % of outcomes change")))
        }
        Effect::FlappingStopped(percentage) => {
            ("flapping_stop", Some(format!("{percentage:.0} % of outcomes change")))
        }
        Effect::Interruptions(n) => ("interruptions", Some(format!("{n} interruptions in a row"))),
        Effect::Broken => ("broken", Some("open for 14 days".to_owned())),
    };
    let transition = Transition {
        at: step.at,
        job: look.job.name.clone(),
        kind: kind.to_owned(),
        before: step.before.to_owned(),
        after: step.after.to_owned(),
        epoch: look.job.breaker.epoch,
        actor: GUARD.to_owned(),
        reason,
        run_id: step.run.clone(),
    };
    transitions::append(tx, &transition)?;
    if *effect == Effect::ProbeFailed && !fails_otherwise {
        return Ok(());
    }
    if let Some(alert) = alert_for(tx, look, step, effect, last_run.as_ref(), scene)? {
        let channels = crate::alert::channels(scene.settings.alerts());
        alerts::put(tx, &alert, &channels, scene.now)?;
    }
    Ok(())
}

/// The alert that an effect deserves, if any.
fn alert_for(
    tx: &Connection,
    look: &Look,
    step: &Step,
    effect: &Effect,
    last_run: Option<&Run>,
    scene: &Scene<'_>,
) -> sql::Result<Option<alerts::NewAlert>> {
    let breaker = &look.job.breaker;
    let probes_itself = breaker.next_probe_at.is_some();
    // While a job flaps and mends itself, its start and its stop are all that is said.
    let is_muted = breaker.flapping && probes_itself;
    let identity = |event: &str| format!("{event}/{}/{}", look.job.name, breaker.incident);
    let (event, identity) = match effect {
        Effect::Tripped { .. } | Effect::ProbeFailed if is_muted => return Ok(None),
        Effect::Tripped { .. } => (compose::TRIP, identity(compose::TRIP)),
        Effect::Recovered => {
            // Good news is told to who heard the bad one.
            let is_known = alerts::was_delivered(tx, &identity(compose::TRIP))?;
            if !is_known || breaker.flapping {
                return Ok(None);
            }
            (compose::RECOVERED, identity(compose::RECOVERED))
        }
        Effect::FlappingStarted(_) => {
            (compose::FLAPPING, format!("flapping/{}/{}", look.job.name, step.at.0))
        }
        Effect::FlappingStopped(_) => {
            (compose::STEADY, format!("steady/{}/{}", look.job.name, step.at.0))
        }
        Effect::Interruptions(_) => {
            (compose::INTERRUPTED, format!("interrupted/{}/{}", look.job.name, step.at.0))
        }
        Effect::Broken => (compose::BROKEN, identity(compose::BROKEN)),
        Effect::HoldIt => (compose::HELD, identity(compose::HELD)),
        Effect::ProbeFailed => {
            // The trip was told with its error; of each other one it is told once.
            let form = look.job.signature.as_deref().unwrap_or_default();
            (compose::CHANGED, format!("{}/{form}", identity(compose::CHANGED)))
        }
    };
    let facts = Facts {
        job: &look.job,
        own: scene.own,
        effect: Some(effect),
        run: last_run,
        named_db: scene.named_db,
        at: step.at,
    };
    let body = compose::about_job(event, &facts);
    let hold_until = match event {
        compose::TRIP => super::alerting::hold_until(tx, scene)?,
        _ => scene.now,
    };
    Ok(Some(alerts::NewAlert {
        event,
        identity,
        job: Some(look.job.name.clone()),
        labels: scene.own.labels.clone(),
        hold_until,
        body,
    }))
}
