//! What is decided while the journal cannot be used, and that it is told once.
//!
//! The last known verdicts stand in a small file beside the journal. What was blocked stays blocked;
//! else a job of tier high does not run, and the others do. Nothing here repairs or recreates.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use common::clock::Timestamp;
use common::sql::{self, Connection};
use common::{atomic, place};
use serde::{Deserialize, Serialize};

use crate::guard::{Block, Verdict, block_by_hold};
use crate::machine::State;
use crate::settings::{JobSettings, Mode, Tier};
use crate::store::holds::Hold;
use crate::store::{holds, jobs};

/// The last known verdicts, as they stand beside the journal.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct LastKnown {
    version: u32,
    /// Why each open job is open.
    open: BTreeMap<String, String>,
    holds: Vec<Hold>,
}

fn beside(journal: &Path, suffix: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl LastKnown {
    /// What the journal says now.
    pub(crate) fn of(connection: &Connection) -> sql::Result<Self> {
        let open = jobs::all(connection)?
            .into_values()
            .filter(|job| job.breaker.state == State::Open)
            .map(|job| (job.name, job.breaker.reason.unwrap_or_default()))
            .collect();
        Ok(Self { version: 1, open, holds: holds::all(connection)? })
    }

    /// Stores it. A failure is not worth stopping for: the journal itself has the truth.
    pub(crate) fn store(&self, journal: &Path) {
        if let Ok(text) = serde_json::to_vec(self) {
            let _ = atomic::write(&beside(journal, ".verdicts.json"), &text, 0o600);
        }
    }

    /// The last known verdicts of a journal; none where nothing was stored.
    pub(crate) fn load(journal: &Path) -> Self {
        fs::read(beside(journal, ".verdicts.json"))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    /// The holds that were in force.
    pub(crate) fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// The jobs that were open.
    pub(crate) fn open_jobs(&self) -> impl Iterator<Item = &str> {
        self.open.keys().map(String::as_str)
    }

    /// Why a job was open.
    pub(crate) fn why_open(&self, job: &str) -> Option<&str> {
        self.open.get(job).map(String::as_str)
    }

    /// The verdict about a job by what was last known; `None` when its tier says that it must not run.
    pub(crate) fn verdict(&self, job: &str, own: &JobSettings) -> Option<Verdict> {
        match self.block(job, own) {
            Some(block) => Some(Verdict::Blocked(block)),
            None if own.tier == Tier::High => None,
            None => Some(Verdict::Go { probe: false }),
        }
    }

    fn block(&self, job: &str, own: &JobSettings) -> Option<Block> {
        block_by_hold(&self.holds, job, own).or_else(|| {
            let reason = self.open.get(job).filter(|_| own.mode == Mode::Enforce)?;
            Some(Block::open(reason))
        })
    }
}

/// The verdict about a job while the journal cannot be used; `None` when its tier says that it must not run.
pub(crate) fn verdict(journal: &Path, job: &str, own: &JobSettings) -> Option<Verdict> {
    LastKnown::load(journal).verdict(job, own)
}

/// Notes that the journal cannot be used. Returns false when that was noted before.
pub(crate) fn begin(journal: &Path, now: Timestamp) -> bool {
    marks(journal)
        .iter()
        .find_map(|mark| {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(mark);
            match made {
                Ok(mut file) => {
                    let _ = writeln!(file, "{now}");
                    Some(true)
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Some(false),
                Err(_) => None,
            }
        })
        .unwrap_or(false)
}

/// Forgets the outage: the journal can be used again, or nobody could be told yet.
pub(crate) fn end(journal: &Path) {
    for mark in marks(journal) {
        if fs::symlink_metadata(&mark).is_ok() {
            let _ = fs::remove_file(&mark);
        }
    }
}

/// Where an outage is noted: beside the journal, else where any user may write.
fn marks(journal: &Path) -> [PathBuf; 2] {
    let name: String = journal
        .to_string_lossy()
        .chars()
        .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
        .collect();
    let uid = rustix::process::getuid().as_raw();
    [
        beside(journal, ".outage"),
        std::env::temp_dir().join(format!("cron-guard-{uid}{name}.outage")),
    ]
}

/// What is told about an outage, once.
pub(crate) fn text(journal: &Path, error: &str) -> String {
    format!(
        "the journal {} cannot be used: {error}; blocked jobs stay blocked, jobs of tier high do not run, all others run unrecorded",
        place::for_people(journal)
    )
}
