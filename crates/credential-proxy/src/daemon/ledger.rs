//! The daemon's hold on the audit trail: it is the one writer while it runs.
//!
//! An access is written before it is answered. When the trail cannot be written, as on a full disk,
//! the daemon serves on and `status` tells: a fleet must not stop because of its log. What could not
//! be written is counted, and the next record tells how much it was.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::clock::Timestamp;
use common::report;

use crate::audit::read::accesses;
use crate::audit::{Access, Place, Trail};
use crate::secret::Secret;

/// How long a record may be proved by its own hash alone before the head knows it, too.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a trail that could not be opened is left alone.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The trail, once it is open, and what is wrong with it.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    trail: Option<Trail>,
    problem: Option<String>,
    n_lost: u64,
    settled_at: Option<Instant>,
    tried_at: Option<Instant>,
}

impl Inner {
    /// Keeps for `status` what is wrong. A problem that is new is said once, to the log.
    fn set_problem(&mut self, problem: Option<String>) {
        match (&problem, &self.problem) {
            (Some(new), None) => {
                report::warn(crate::TOOL, &format!("the audit trail cannot be written: {new}"));
            }
            (None, Some(_)) => report::warn(crate::TOOL, "the audit trail is written again"),
            _ => {}
        }
        self.problem = problem;
    }

    /// Lets go of a trail whose files were removed or replaced: what is written there is lost.
    fn let_go(&mut self) {
        if self.trail.as_ref().is_some_and(|trail| !trail.is_in_place()) {
            self.trail = None;
            self.tried_at = None;
            self.set_problem(Some("its files were removed or replaced".to_owned()));
        }
    }
}

impl Ledger {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the trail if it is not open yet. It stays open while the vault is locked.
    pub(crate) fn open(&self, place: &Place, key: &Secret, now: Timestamp) {
        let mut inner = self.inner();
        inner.let_go();
        if inner.trail.is_some() {
            return;
        }
        inner.tried_at = Some(Instant::now());
        match Trail::open_or_begin(place, key, now) {
            Ok(Some(mut trail)) => {
                let n_lost = std::mem::take(&mut inner.n_lost);
                let counted = if n_lost > 0 { trail.lose(n_lost) } else { Ok(()) };
                inner.trail = Some(trail);
                inner.set_problem(counted.err().map(|error| head_problem(&error)));
            }
            // A command that opened the vault itself writes at this moment; the next look succeeds.
            Ok(None) => {
                inner.tried_at = None;
                inner.problem = Some("another process writes it".to_owned());
            }
            Err(error) => {
                inner.set_problem(Some(error.to_string()));
            }
        }
    }

    /// What is wrong with the trail, if anything is.
    pub(crate) fn problem(&self) -> Option<String> {
        let inner = self.inner();
        let problem = inner.problem.as_ref()?;
        let n_lost = inner.trail.as_ref().map_or(inner.n_lost, Trail::n_lost);
        Some(if n_lost == 0 {
            format!("the audit trail cannot be written: {problem}")
        } else {
            format!("{} could not be written to the audit trail: {problem}", accesses(n_lost))
        })
    }

    /// Whether the trail has to be opened now: it is not, or not any more.
    pub(crate) fn is_closed(&self) -> bool {
        let mut inner = self.inner();
        inner.let_go();
        inner.trail.is_none() && inner.tried_at.is_none_or(|at| at.elapsed() >= TRY_AGAIN)
    }

    /// Anchors what was written; a session does it when its client has left.
    pub(crate) fn settle(&self) {
        let mut inner = self.inner();
        if let Some(trail) = &mut inner.trail
            && let Err(error) = trail.settle()
        {
            inner.set_problem(Some(head_problem(&error)));
        }
        inner.settled_at = Some(Instant::now());
    }

    /// Writes one access.
    pub(crate) fn write(&self, access: &Access<'_>) {
        let mut inner = self.inner();
        // A client that stays is served many times for one anchoring.
        let is_due = inner.settled_at.is_none_or(|at| at.elapsed() >= PAUSE);
        let result = match &mut inner.trail {
            Some(trail) if is_due => trail.write(access).and_then(|()| trail.settle()),
            Some(trail) => trail.write(access),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        };
        if is_due {
            inner.settled_at = Some(Instant::now());
        }
        match result {
            Ok(()) if inner.problem.is_some() => inner.set_problem(None),
            Ok(()) => {}
            Err(error) => {
                if inner.trail.is_none() {
                    inner.n_lost += 1;
                }
                // Without a trail the reason is known already.
                if inner.trail.is_some() || inner.problem.is_none() {
                    inner.set_problem(Some(error.to_string()));
                }
            }
        }
    }
}

fn head_problem(error: &std::io::Error) -> String {
    format!("its head could not be written: {error}")
}
