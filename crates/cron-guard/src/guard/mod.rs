//! The guard: looks at a job's runs, moves its breaker, decides, and records what it did.
//!
//! `look` reads what is new about a job, `record` writes what follows from it, `admit` lets a run in
//! and `close` takes its outcome. Every check-then-write is one transaction. Nothing here prints.

mod admit;
mod alerting;
mod close;
pub(crate) mod fleet;
mod hold;
mod look;
mod record;
mod redeclare;
mod resume;
mod rounds;
mod standing;

use std::cell::LazyCell;
use std::path::PathBuf;

use common::clock::{self, Timestamp};
use common::fleet::Database;
use common::fleet::liveness::Here;

pub(crate) use admit::{Admission, Block, LEASE, Terms, Verdict, block_by_hold, decide};
pub(crate) use close::Ending;
pub(crate) use hold::{Acked, Released};
pub(crate) use look::Look;
pub(crate) use resume::Resumed;
pub(crate) use standing::Probe;

use crate::alert::aside::Messenger;
use crate::alert::send;
use crate::settings::Settings;
use crate::store::alerts;

/// The journal, the settings and this machine, as one command sees them.
pub(crate) struct Guard<'a> {
    pub(crate) db: Database,
    pub(crate) settings: &'a Settings,
    /// The database when it is not the default one, for the commands that alerts name.
    pub(crate) named_db: Option<PathBuf>,
    messenger: Messenger,
    here: LazyCell<Here>,
}

impl<'a> Guard<'a> {
    /// A guard over an open journal.
    pub(crate) fn new(
        db: Database,
        settings: &'a Settings,
        named_db: Option<PathBuf>,
        messenger: Messenger,
    ) -> Self {
        Self { db, settings, named_db, messenger, here: LazyCell::new(Here::now) }
    }

    /// This machine.
    pub(crate) fn here(&self) -> &Here {
        &self.here
    }

    /// The moment now.
    pub(crate) fn now() -> Timestamp {
        clock::now()
    }
}

impl Guard<'_> {
    /// Writes the last known verdicts beside the journal, for the day on which it cannot be read.
    pub(crate) fn remember(&self) {
        if let Ok(known) = self.db.read("read", crate::outage::LastKnown::of) {
            known.store(self.db.place().local());
        }
    }

    /// Sends the alerts that are due. A failure changes nothing but what `status` shows.
    pub(crate) fn tell(&mut self) {
        if self.is_any_due() {
            let here = self.here().clone();
            let _ = send::send_due(&mut self.db, self.settings.alerts(), &here);
        }
    }

    /// Sends what is new about this job, and leaves the rest to a process of its own.
    pub(crate) fn tell_of(&mut self, job: &str) {
        let here = self.here().clone();
        let _ = send::send_new(&mut self.db, self.settings.alerts(), &here, job);
        self.tell_aside();
    }

    /// Has the alerts that are due sent by a process of its own: who asks a gate waits for no channel.
    pub(crate) fn tell_aside(&self) {
        if self.is_any_due() {
            self.messenger.send(self.db.place().local());
        }
    }

    fn is_any_due(&self) -> bool {
        let now = Self::now();
        self.db.read("read", |connection| alerts::is_any_due(connection, now)).unwrap_or(false)
    }
}
