//! A declaration was changed: the record says who it was, what changed, and whether a blocked job runs now.

use super::Guard;
use super::admit::{Verdict, decide};
use super::fleet::state_word;
use crate::settings::Settings;
use crate::store::holds;
use crate::store::jobs::{self, Job};
use crate::store::transitions::{self, Transition};
use common::sql;

impl Guard<'_> {
    /// Whether the job is blocked now, or may run as a probe only.
    pub(crate) fn is_blocked(&self, name: &str) -> Result<bool, common::Error> {
        let own = self.settings.job(name);
        let verdict = self.db.read("read", |connection| {
            let job = jobs::get(connection, name)?.unwrap_or_else(|| Job::new(name));
            let holds = holds::all(connection)?;
            decide(connection, &job, &own, self.settings, &holds, Self::now())
        })?;
        Ok(!matches!(verdict, Verdict::Go { probe: false }))
    }

    /// Records that the settings of this guard became `after`.
    pub(crate) fn redeclare(
        &mut self,
        after: &Settings,
        name: &str,
        kind: &str,
        actor: &str,
        reason: &str,
    ) -> Result<(), common::Error> {
        let now = Self::now();
        let before = self.settings;
        self.db.write("write to", |tx| {
            let mut job = jobs::get(tx, name)?.unwrap_or_else(|| Job::new(name));
            let epoch = job.breaker.epoch;
            let holds = holds::all(tx)?;
            let judge = |settings: &Settings| -> sql::Result<(Verdict, &'static str)> {
                let own = settings.job(name);
                let verdict = decide(tx, &job, &own, settings, &holds, now)?;
                let word = state_word(&verdict, &job, &own);
                Ok((verdict, word))
            };
            let ((was, word_before), (is, word_after)) = (judge(before)?, judge(after)?);
            let is_unblocked =
                matches!(was, Verdict::Blocked(_)) && matches!(is, Verdict::Go { .. });
            // The two words stand there only when the change let a blocked job run.
            let words = if is_unblocked { (word_before, word_after) } else { ("", "") };
            let (was, is) = (before.job(name), after.job(name));
            if !is.declared {
                job.declared_at = None;
                job.late_slot = None;
                if job == Job::new(name) {
                    jobs::remove(tx, name)?;
                } else {
                    jobs::save(tx, &job)?;
                }
            } else if !was.declared || !was.is_due_as(&is) {
                // Nobody promised a start that was due before.
                job.declared_at = Some(now);
                jobs::save(tx, &job)?;
            }
            transitions::append(
                tx,
                &Transition {
                    at: now,
                    job: name.to_owned(),
                    kind: kind.to_owned(),
                    before: words.0.to_owned(),
                    after: words.1.to_owned(),
                    epoch,
                    actor: actor.to_owned(),
                    reason: Some(reason.to_owned()),
                    run_id: None,
                },
            )
        })
    }
}
