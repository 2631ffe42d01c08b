//! All jobs at once: those that are declared and those that the journal or the guard has seen.

use std::collections::{BTreeSet, HashMap};

use common::clock::Timestamp;
use common::fleet::runs::Run;
use rusqlite::Connection;

use super::Guard;
use super::admit::{Verdict, decide};
use super::look::look;
use super::record::{Scene, record};
use crate::machine::State;
use crate::settings::{JobSettings, Mode};
use crate::store::jobs::{self, Job};
use crate::store::journal;

/// One job as `status` and the sweep show it.
pub(crate) struct Member {
    pub(crate) job: Job,
    pub(crate) own: JobSettings,
    pub(crate) verdict: Verdict,
    pub(crate) running: Vec<Run>,
}

impl Member {
    /// The word for its state: the breaker's, unless a person holds it or it is only observed.
    pub(crate) fn state(&self) -> &'static str {
        match &self.verdict {
            Verdict::Blocked(block) if block.kind == "held" => "held",
            Verdict::Blocked(block) if block.kind == "budget" => "budget",
            _ if self.own.mode == Mode::Observe && self.job.breaker.state != State::Closed => {
                "observe"
            }
            _ => self.job.breaker.state.as_str(),
        }
    }

    /// Whether it may not run now.
    pub(crate) fn is_blocked(&self) -> bool {
        matches!(self.verdict, Verdict::Blocked(_))
    }

    /// Why it may not run now.
    pub(crate) fn reason(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Blocked(block) => Some(&block.reason),
            Verdict::Go { .. } => self.job.breaker.reason.as_deref(),
        }
    }
}

impl Guard<'_> {
    /// Looks at every job, records what is new, and sends what is due.
    pub(crate) fn sweep(&mut self) -> Result<Vec<Member>, common::Error> {
        let now = Self::now();
        let settings = self.settings;
        let here = self.here().clone();
        let named_db = self.named_db.clone();
        let is_stale = self.db.read("read", |connection| {
            Ok(members(connection, settings, &here, now)?.iter().any(|(_, changed)| *changed))
        })?;
        if is_stale {
            self.db.write("write to", |tx| {
                let stored = jobs::all(tx)?;
                let newest = journal::newest_runs(tx)?;
                for name in names(settings, &stored, &newest) {
                    let own = settings.job(&name);
                    let job = stored.get(&name).cloned().unwrap_or_else(|| Job::new(&name));
                    let scene = Scene { settings, own: &own, named_db: named_db.as_deref(), now };
                    let mut found = look(tx, &job, &own, &|| here.clone(), now, None)?;
                    if found.changed {
                        record(tx, &mut found, &scene)?;
                    }
                }
                Ok(())
            })?;
            self.remember();
        }
        self.tell();
        self.view()
    }

    /// Every job as it stands now. Writes nothing.
    pub(crate) fn view(&self) -> Result<Vec<Member>, common::Error> {
        let here = self.here().clone();
        self.db.read("read", |connection| view(connection, self.settings, &here, Self::now()))
    }
}

/// Every job as it stands now, for commands that only read.
pub(crate) fn view(
    connection: &Connection,
    settings: &crate::settings::Settings,
    here: &common::fleet::liveness::Here,
    now: Timestamp,
) -> rusqlite::Result<Vec<Member>> {
    let members = members(connection, settings, here, now)?;
    Ok(members.into_iter().map(|(member, _)| member).collect())
}

fn members(
    connection: &Connection,
    settings: &crate::settings::Settings,
    here: &common::fleet::liveness::Here,
    now: Timestamp,
) -> rusqlite::Result<Vec<(Member, bool)>> {
    let mut stored = jobs::all(connection)?;
    let newest = journal::newest_runs(connection)?;
    let mut found = Vec::new();
    for name in names(settings, &stored, &newest) {
        let own = settings.job(&name);
        let job = stored.remove(&name).unwrap_or_else(|| Job::new(&name));
        let is_settled = job.pending.is_empty()
            && job.breaker.state == State::Closed
            && newest.get(&name).is_none_or(|run| *run <= job.watermark);
        let (job, running, changed) = if is_settled {
            (job, Vec::new(), false)
        } else {
            let look = look(connection, &job, &own, &|| here.clone(), now, None)?;
            (look.job, look.running, look.changed)
        };
        let verdict = decide(connection, &job, &own, now)?;
        found.push((Member { job, own, verdict, running }, changed));
    }
    Ok(found)
}

fn names(
    settings: &crate::settings::Settings,
    stored: &HashMap<String, Job>,
    newest: &HashMap<String, String>,
) -> BTreeSet<String> {
    settings
        .declared()
        .map(ToOwned::to_owned)
        .chain(stored.keys().cloned())
        .chain(newest.keys().cloned())
        .collect()
}
