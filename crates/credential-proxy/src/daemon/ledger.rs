//! The daemon's hold on the audit trail: it is the one writer while it runs.
//!
//! An access is written before it is answered. When the trail cannot be written, as on a full disk,
//! the daemon serves on and `status` tells: a fleet must not stop because of its log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use common::clock::Timestamp;

use crate::audit::{Access, Place, Trail};
use crate::secret::Secret;

/// How long a record may be proved by its own hash alone before the head knows it, too.
const PAUSE: Duration = Duration::from_millis(20);

/// The trail, once it is open, and what is wrong with it.
#[derive(Default)]
pub(crate) struct Ledger {
    inner: Mutex<Inner>,
    /// There are records that the head does not know yet.
    is_behind: AtomicBool,
    clerk: Mutex<Option<Thread>>,
}

#[derive(Default)]
struct Inner {
    trail: Option<Trail>,
    problem: Option<String>,
    n_lost: u64,
}

impl Ledger {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Keeps the head up to date in a thread of its own, so that no client waits for it.
    pub(crate) fn keep(&self) {
        *self.clerk.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current());
        loop {
            while !self.is_behind.load(Ordering::Acquire) {
                std::thread::park();
            }
            std::thread::sleep(PAUSE);
            self.settle();
        }
    }

    /// Anchors what was written.
    pub(crate) fn settle(&self) {
        self.is_behind.store(false, Ordering::Release);
        let mut inner = self.inner();
        if let Some(trail) = &mut inner.trail
            && let Err(error) = trail.settle()
        {
            inner.problem =
                Some(format!("the head of the audit trail could not be written: {error}"));
        }
    }

    /// Writes one access.
    pub(crate) fn write(&self, access: &Access<'_>) {
        let mut inner = self.inner();
        let result = match &mut inner.trail {
            Some(trail) => trail.write(access),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        };
        if !self.is_behind.swap(true, Ordering::AcqRel)
            && let Some(clerk) = &*self.clerk.lock().unwrap_or_else(PoisonError::into_inner)
        {
            clerk.unpark();
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
