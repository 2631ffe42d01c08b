//! A person opens a blocked job again, and is recorded with a reason.

use super::Guard;
use super::admit::look_now;
use super::record::{Scene, record};
use crate::store::holds::{self, Hold};
use crate::store::jobs;
use crate::store::transitions::{self, Transition};

/// What came of a resume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// A new epoch began; on probation unless it is fresh.
    Yes { fresh: bool, epoch: i64 },
    /// It was not blocked.
    NothingToDo,
    /// A hold is in force.
    Held(Hold),
    /// Nobody knows the job: no run, no declaration.
    Unknown,
}

impl Guard<'_> {
    /// Begins a new epoch of the job: what ran before never counts again.
    pub(crate) fn resume(
        &mut self,
        name: &str,
        fresh: bool,
        actor: &str,
        reason: &str,
    ) -> Result<Resumed, common::Error> {
        let now = Self::now();
        let own = self.settings.job(name);
        let here = self.here().clone();
        let settings = self.settings;
        let named_db = self.named_db.clone();
        let resumed = self.db.write("write to", |tx| {
            let scene = Scene { settings, own: &own, named_db: named_db.as_deref(), now };
            let mut look = look_now(tx, name, &scene, &here, None)?;
            record(tx, &mut look, &scene)?;
            if jobs::get(tx, name)?.is_none() && !own.declared {
                return Ok(Resumed::Unknown);
            }
            let holds = holds::all(tx)?;
            if let Some(hold) = holds::concerning(&holds, name, &own.labels) {
                return Ok(Resumed::Held(hold.clone()));
            }
            let before = look.job.breaker.state.as_str();
            if !look.job.breaker.resume(fresh) {
                return Ok(Resumed::NothingToDo);
            }
            look.job.discount_pending();
            look.job.skipped = 0;
            look.job.skipped_since = None;
            look.job.last_tick_at = look.job.last_tick_at.max(Some(now));
            jobs::save(tx, &look.job)?;
            let epoch = look.job.breaker.epoch;
            transitions::append(
                tx,
                &Transition {
                    at: now,
                    job: name.to_owned(),
                    kind: "resume".to_owned(),
                    before: before.to_owned(),
                    after: look.job.breaker.state.as_str().to_owned(),
                    epoch,
                    actor: actor.to_owned(),
                    reason: Some(reason.to_owned()),
                    run_id: None,
                },
            )?;
            Ok(Resumed::Yes { fresh, epoch })
        })?;
        if resumed != Resumed::Unknown {
            self.remember();
        }
        Ok(resumed)
    }
}
