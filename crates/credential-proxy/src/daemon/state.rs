//! What the sessions share: the snapshot, and when it was read.
//!
//! Locked means that there is no snapshot and no key in memory. A reload that fails leaves the old
//! snapshot in service and is told by `status`.

use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use common::clock;

use super::ledger::Ledger;
use super::program::Own;
use super::rights::Rights;
use super::snapshot::Snapshot;
use crate::access;
use crate::error::Error;
use crate::grant::Grant;
use crate::home::Home;
use crate::key::Source;

/// How old the last look at the vault file may be before a request looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What changes whenever the vault file does.
type Stamp = (u64, u64, i64, i64, u64);

/// What all sessions of a daemon share.
pub(crate) struct State {
    pub(crate) home: Home,
    source: Source,
    started: Instant,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    reading: Mutex<Option<Stamp>>,
    looked_at: AtomicU64,
    locked: AtomicBool,
    pub(crate) stopping: AtomicBool,
    problem: Mutex<Option<String>>,
    post_problem: Mutex<Option<String>>,
    pub(crate) ledger: Ledger,
    pub(crate) rights: Rights,
    pub(super) own: Own,
}

impl State {
    /// Opens the vault for the first time; what is wrong with it now keeps the daemon from starting.
    pub(crate) fn open(home: Home, source: Source) -> Result<Self, Error> {
        let state = Self {
            home,
            source,
            started: Instant::now(),
            snapshot: RwLock::new(None),
            reading: Mutex::new(None),
            looked_at: AtomicU64::new(0),
            locked: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            problem: Mutex::new(None),
            post_problem: Mutex::new(None),
            ledger: Ledger::default(),
            rights: Rights::default(),
            own: Own::at_start(),
        };
        state.read(&mut state.reading())?;
        Ok(state)
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Why the last reload failed, if it did.
    pub(crate) fn problem(&self) -> Option<String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let post = || self.post_problem.lock().unwrap_or_else(PoisonError::into_inner).clone();
        problem.or_else(post).or_else(|| self.ledger.problem())
    }

    /// Keeps for `status` what is wrong with the lock or the socket.
    pub(crate) fn note_post(&self, problem: Option<String>) {
        *self.post_problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.locked.load(Ordering::SeqCst)
    }

    /// The credentials as the vault has them now; `None` while locked.
    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.look();
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the vault again, whatever its stamp says.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        let mut reading = self.reading();
        if self.is_locked() {
            return Err(Error::Locked);
        }
        self.read(&mut reading)
    }

    /// Forgets everything; wiped as soon as the last answer under way is out.
    pub(crate) fn lock(&self) {
        let mut reading = self.reading();
        self.locked.store(true, Ordering::SeqCst);
        *reading = None;
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Reads the key and the vault again after a lock.
    pub(crate) fn unlock(&self) -> Result<(), Error> {
        let mut reading = self.reading();
        self.read(&mut reading)?;
        self.locked.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn reading(&self) -> MutexGuard<'_, Option<Stamp>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the vault again when its file has changed since the last time.
    fn look(&self) {
        let now = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let before = self.looked_at.load(Ordering::Relaxed);
        let patience = u64::try_from(LOOK_AGAIN.as_micros()).unwrap_or(0);
        if now.saturating_sub(before) < patience || self.is_locked() {
            return;
        }
        let stamp = stamp(&self.home);
        let mut reading = self.reading();
        let has_changed = stamp.is_some() && stamp != *reading;
        if (has_changed || self.ledger.is_closed()) && !self.is_locked() {
            // The failure is kept for `status`; the credentials that are known stay in service.
            let _ = self.read(&mut reading);
        }
        self.looked_at.store(now, Ordering::Relaxed);
    }

    fn read(&self, reading: &mut Option<Stamp>) -> Result<(), Error> {
        // Before the read: a change that comes in between is then seen the next time.
        let stamp = stamp(&self.home);
        let result = self.read_snapshot();
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) =
            result.as_ref().err().map(ToString::to_string);
        // A vault that cannot be read now is not asked again before it changes.
        *reading = stamp;
        let snapshot = result?;
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(snapshot));
        Ok(())
    }

    fn read_snapshot(&self) -> Result<Snapshot, Error> {
        let now = clock::now();
        let vault = access::open(&self.home, &self.source)?;
        let opened = vault.credentials()?;
        let grants = vault.grants(Grant::from_plain)?;
        self.ledger.open(&self.home.audit(), &vault.audit_key()?, now);
        let snapshot = Snapshot::new(&opened.rows, opened.broken).map_err(|source| {
            common::Error::Process { doing: "get memory for the credentials", source }
        })?;
        Ok(snapshot.with_grants(grants))
    }
}

fn stamp(home: &Home) -> Option<Stamp> {
    let found = home.vault().metadata().ok()?;
    Some((found.dev(), found.ino(), found.ctime(), found.ctime_nsec(), found.size()))
}
