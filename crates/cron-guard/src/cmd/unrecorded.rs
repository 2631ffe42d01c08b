//! What the gates do while the journal cannot be used: decide by what is known, tell once.

use common::fleet::Database;
use common::report;

use super::Ctx;
use crate::TOOL;
use crate::alert::{self, compose, send};
use crate::error::Error;
use crate::guard::{Block, Guard, Verdict, decide};
use crate::outage;
use crate::settings::{JobSettings, Settings};
use crate::store::holds;
use crate::store::jobs::{self, Job};

/// The answer of a gate without its journal.
pub(super) enum Unrecorded {
    /// The job runs, and no row says so.
    Go,
    /// The job stays blocked.
    Blocked(Block),
}

/// Decides, and tells once for each outage. A job of tier high that nothing blocks is an error.
pub(super) fn decide_without(
    settings: &Settings,
    job: &str,
    error: common::Error,
    ctx: &Ctx<'_>,
) -> anyhow::Result<Unrecorded> {
    let place = ctx.database().place()?;
    let journal = place.local();
    let own = settings.job(job);
    let cause = with_cause(&error);
    if outage::begin(journal, Guard::now()) {
        let text = outage::text(place.name(), &cause);
        report::warn(TOOL, &text);
        let body = compose::about_journal(&text, Guard::now());
        let is_told = send::send_now(settings.alerts(), &body);
        // Without a channel the line above is the alert, since cron mails it.
        if !is_told && !alert::configured(settings.alerts()).is_empty() {
            // Nobody heard it, so the next gate tells it again.
            outage::end(journal);
        }
    }
    // A journal that cannot be written can often be read.
    let read = ctx.read_only().ok().and_then(|db| last_verdict(&db, job, &own, settings));
    match read.filter(|verdict| matches!(verdict, Verdict::Blocked(_))) {
        Some(Verdict::Blocked(block)) => return Ok(Unrecorded::Blocked(block)),
        Some(Verdict::Go { .. }) | None => {}
    }
    match outage::verdict(journal, job, &own) {
        Some(Verdict::Blocked(block)) => Ok(Unrecorded::Blocked(block)),
        Some(Verdict::Go { .. }) => Ok(Unrecorded::Go),
        None => Err(Error::FailClosed { job: job.to_owned(), source: Box::new(error) }.into()),
    }
}

/// The error and its cause, in one line. What the cause has behind it says the same in other words.
fn with_cause(error: &common::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn last_verdict(
    db: &Database,
    job: &str,
    own: &JobSettings,
    settings: &Settings,
) -> Option<Verdict> {
    db.read("read", |connection| {
        let stored = jobs::get(connection, job)?.unwrap_or_else(|| Job::new(job));
        decide(connection, &stored, own, settings, &holds::all(connection)?, Guard::now())
    })
    .ok()
}
