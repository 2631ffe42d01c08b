//! Forgets what is old: never a running run, a held lock, a current value, an unknown action or an open task.

use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::events::Event;
use common::sql::{self, Connection, params};
use serde::Serialize;
use serde_json::json;

use super::{counter, set_counter, tasks};

/// What is forgotten on the way of other commands is older than this.
pub(crate) const KEEP: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How many rows of a table one transaction deletes, so that nobody waits for it.
pub(crate) const BATCH: u32 = 1000;

/// How many rows of what were, or would be, forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Pruned {
    pub(crate) runs: i64,
    pub(crate) events: i64,
    pub(crate) coordination: i64,
    pub(crate) actions: i64,
    pub(crate) tasks: i64,
}

impl Pruned {
    /// Adds what another batch forgot.
    pub(crate) fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.events += other.events;
        self.coordination += other.coordination;
        self.actions += other.actions;
        self.tasks += other.tasks;
    }

    /// Whether a batch found nothing more to forget.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// Tables with what is old in them: `?1` is the moment before which a row is old.
const OLD: [(&str, &str, &str); 4] = [
    ("runs", "id", "started_at < ?1 AND status <> 'running' AND finished_at < ?1"),
    // The newest stays: the numbers of events must not start again when all old ones are gone.
    ("events", "id", "at < ?1 AND id < (SELECT max(id) FROM events)"),
    ("coordination", "id", "posted_at < ?1 AND (expires_at IS NULL OR expires_at < ?1)"),
    (
        "actions",
        "key",
        "begun_at < ?1 AND state IN ('done', 'failed') AND ended_at + window_ms < ?1",
    ),
];

/// Counts what a prune would forget, up to `limit` rows of each table.
pub(crate) fn count(connection: &Connection, before: Timestamp, limit: u32) -> sql::Result<Pruned> {
    let mut counts = [0; OLD.len()];
    for (count, (table, _, old)) in counts.iter_mut().zip(OLD) {
        let query =
            format!("SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {old} LIMIT ?2) old");
        *count = connection.query_row(&query, params![before, limit], |row| row.get(0))?;
    }
    let [runs, events, coordination, actions] = counts;
    Ok(Pruned {
        runs,
        events,
        coordination,
        actions,
        tasks: tasks::ended(connection, before, limit)?,
    })
}

/// Forgets at most [`BATCH`] rows of each table.
pub(crate) fn batch(tx: &Connection, before: Timestamp) -> sql::Result<Pruned> {
    let mut counts = [0; OLD.len()];
    for (count, (table, key, old)) in counts.iter_mut().zip(OLD) {
        let delete = format!(
            "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {old} LIMIT ?2)"
        );
        *count = i64::try_from(tx.execute(&delete, params![before, BATCH])?).unwrap_or(i64::MAX);
    }
    let forgotten = tasks::forgettable(tx, before, BATCH)?;
    tasks::forget(tx, &forgotten)?;
    let [runs, events, coordination, actions] = counts;
    let tasks = i64::try_from(forgotten.len()).unwrap_or(i64::MAX);
    Ok(Pruned { runs, events, coordination, actions, tasks })
}

/// Records that so much was forgotten, if it was anything.
pub(crate) fn record(tx: &Connection, pruned: Pruned, now: Timestamp) -> sql::Result<()> {
    if pruned.is_empty() {
        return Ok(());
    }
    Event::of("prune", "journal").append(tx, &json!(pruned), now)
}

/// Whether a day has passed since the last prune on the way of another command; notes that it is due now.
pub(crate) fn is_due(tx: &Connection, now: Timestamp) -> sql::Result<bool> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let last = Timestamp(counter(tx, "pruned_at")?.unwrap_or(0));
    // A clock that stood far ahead once must not put the next prune off for years.
    let is_due = last.plus(DAY) <= now || last > now.plus(DAY);
    if is_due {
        set_counter(tx, "pruned_at", now.0)?;
    }
    Ok(is_due)
}
