//! A person pauses jobs, lets them go again, or says that a block is known.

use common::fleet::runs;

use super::Guard;
use super::admit::look_now;
use super::record::{Scene, record};
use crate::actor::Actor;
use crate::machine::State;
use crate::store::holds::{self, Hold, Scope};
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

/// What came of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Released {
    Yes,
    /// There was no such hold.
    NotHeld,
    /// A person ordered the hold, and this one may not end it.
    Refused,
}

impl Guard<'_> {
    /// Pauses. Returns false when that pause was in force already.
    pub(crate) fn hold(
        &mut self,
        scope: &Scope,
        actor: &Actor,
        reason: &str,
    ) -> Result<bool, common::Error> {
        let now = Self::now();
        let hold = Hold {
            scope: scope.to_string(),
            reason: reason.to_owned(),
            actor: actor.name.clone(),
            attended: actor.attended,
        };
        let is_new = self.db.write("write to", |tx| {
            let is_new = holds::put(tx, &hold, now)?;
            if is_new {
                transitions::append(tx, &order("hold", scope, &actor.name, reason, now))?;
            }
            Ok(is_new)
        })?;
        self.remember();
        Ok(is_new)
    }

    /// Whether anybody has heard of the job: it is declared, ran, or was kept from running.
    pub(crate) fn knows(&self, job: &str) -> Result<bool, common::Error> {
        if self.settings.job(job).declared {
            return Ok(true);
        }
        self.db.read("read", |connection| {
            Ok(jobs::get(connection, job)?.is_some()
                || !runs::of_job(connection, job, 1)?.is_empty())
        })
    }

    /// The pause that concerns a job, whatever it is on.
    pub(crate) fn concerning(&self, job: &str) -> Result<Option<Hold>, common::Error> {
        let labels = self.settings.job(job).labels;
        let holds = self.db.read("read", holds::all)?;
        Ok(holds::concerning(&holds, job, &labels).cloned())
    }

    /// Ends a pause. What a person ordered, only a person ends, unless the settings allow otherwise.
    pub(crate) fn release(
        &mut self,
        scope: &Scope,
        actor: &Actor,
        reason: &str,
    ) -> Result<Released, common::Error> {
        let now = Self::now();
        let may_undo = actor.attended || self.settings.allows_unattended_resume();
        let released = self.db.write("write to", |tx| {
            let Some(hold) = holds::all(tx)?.into_iter().find(|h| h.scope == scope.to_string())
            else {
                return Ok(Released::NotHeld);
            };
            if hold.attended && !may_undo {
                return Ok(Released::Refused);
            }
            holds::remove(tx, scope)?;
            transitions::append(tx, &order("release", scope, &actor.name, reason, now))?;
            Ok(Released::Yes)
        })?;
        self.remember();
        Ok(released)
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
            if jobs::get(tx, name)?.is_none() && !own.declared {
                return Ok(Acked::Unknown);
            }
            let breaker = &look.job.breaker;
            // Who resumed it knows of it, and from then on the job runs.
            if breaker.state == State::Closed || breaker.probation {
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
