//! The daemon's hold on the audit trail: it is the one writer while it runs.
//!
//! An access is written before it is answered. When the trail cannot be written, as on a full disk,
//! the daemon serves on and `status` tells: a fleet must not stop because of its log.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::clock::Timestamp;

use crate::audit::{Access, Place, Trail};
use crate::secret::Secret;

/// How long a record may be proved by its own hash alone before the head knows it, too.
const PAUSE: Duration = Duration::from_millis(20);

/// The trail, once it is open, and what is wrong with it.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    trail: Option<Trail>,
    problem: Option<String>,
    n_lost: u64,
    settled_at: Option<Instant>,
}

impl Ledger {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the trail if it is not open yet. It stays open while the vault is locked.
    pub(crate) fn open(&self, place: &Place, key: &Secret, now: Timestamp) {
        let mut inner = self.inner();
        if inner.trail.is_some() {
            return;
        }
        match Trail::open_or_begin(place, key, now) {
            Ok(Some(trail)) => {
                inner.trail = Some(trail);
                inner.problem = None;
            }
            // A command that opened the vault itself writes at this moment; the next look succeeds.
            Ok(None) => {
                inner.problem = Some("the audit trail is written by another process".to_owned());
            }
            Err(error) => inner.problem = Some(error.to_string()),
        }
    }

    /// What is wrong with the trail, if anything is.
    pub(crate) fn problem(&self) -> Option<String> {
        self.inner().problem.clone()
    }

    /// Whether the trail still has to be opened.
    pub(crate) fn is_closed(&self) -> bool {
        self.inner().trail.is_none()
    }

    /// Anchors what was written; a session does it when its client has left.
    pub(crate) fn settle(&self) {
        let mut inner = self.inner();
        if let Some(trail) = &mut inner.trail
            && let Err(error) = trail.settle()
        {
            inner.problem =
                Some(format!("the head of the audit trail could not be written: {error}"));
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
        if let Err(error) = result {
            inner.n_lost += 1;
            let problem = format!(
                "{} accesses could not be written to the audit trail: {error}",
                inner.n_lost
            );
            inner.problem = Some(problem);
        }
    }
}
