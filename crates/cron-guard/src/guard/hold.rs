//! A person pauses jobs, lets them go again, or says that a block is known.

use super::Guard;
use super::admit::look_now;
use super::record::{Scene, record};
use crate::store::holds::{self, Scope};
use crate::store::jobs;
use crate::store::transitions::{self, Transition};

/// What came of an acknowledgment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acked {
    Yes,
    /// The job is not blocked.
    NotBlocked,
    Unknown,
}

impl Guard<'_> {
    /// Pauses. Returns false when that pause was in force already.
    pub(crate) fn hold(
        &mut self,
        scope: &Scope,
        actor: &str,
        reason: &str,
    ) -> Result<bool, common::Error> {
        let now = Self::now();
        let is_new = self.db.write("write to", |tx| {
            let is_new = holds::put(tx, scope, reason, actor, now)?;
            if is_new {
                transitions::append(tx, &order("hold", scope, actor, reason, now))?;
            }
            Ok(is_new)
        })?;
        self.remember();
        Ok(is_new)
    }

    /// Ends a pause. Returns false when there was none.
    pub(crate) fn release(
        &mut self,
        scope: &Scope,
        actor: &str,
        reason: &str,
    ) -> Result<bool, common::Error> {
        let now = Self::now();
        let was_held = self.db.write("write to", |tx| {
            let was_held = holds::remove(tx, scope)?;
            if was_held {
                transitions::append(tx, &order("release", scope, actor, reason, now))?;
            }
            Ok(was_held)
        })?;
        self.remember();
        Ok(was_held)
    }

    /// Says that the block of a job is known: it is left out of the reminders until its next incident.
    pub(crate) fn ack(&mut self, name: &str, actor: &str) -> Result<Acked, common::Error> {
        let now = Self::now();
        let own = self.settings.job(name);
        let here = self.here().clone();
        let settings = self.settings;
        let named_db = self.named_db.clone();
        self.db.write("write to", |tx| {
            let scene = Scene { settings, own: &own, named_db: named_db.as_deref(), now };
            let mut look = look_now(tx, name, &scene, &here, None)?;
            record(tx, &mut look, &scene)?;
            if look.job.last_run.is_none() && !own.declared {
                return Ok(Acked::Unknown);
            }
            if look.job.breaker.state == crate::machine::State::Closed {
                return Ok(Acked::NotBlocked);
            }
            look.job.acked_incident = Some(look.job.breaker.incident);
            jobs::save(tx, &look.job)?;
            let scope = Scope::Job(name.to_owned());
            transitions::append(tx, &order("ack", &scope, actor, "known", now))?;
            Ok(Acked::Yes)
        })
    }
}

/// The record of what a person ordered.
fn order(
    kind: &str,
    scope: &Scope,
    actor: &str,
    reason: &str,
    now: common::clock::Timestamp,
) -> Transition {
    // Orders about a job stand in its history; those about many stand under their scope.
    let job = match scope {
        Scope::Job(job) => job.clone(),
        Scope::Label(_) | Scope::All => scope.to_string(),
    };
    Transition {
        at: now,
        job,
        kind: kind.to_owned(),
        before: String::new(),
        after: String::new(),
        epoch: 0,
        actor: actor.to_owned(),
        reason: Some(reason.to_owned()),
        run_id: None,
    }
}
