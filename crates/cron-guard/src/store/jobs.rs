//! One row a job: its breaker and how far its runs were looked at.

use std::collections::HashMap;

use common::clock::Timestamp;
use common::sql::{self, FromSqlError};
use common::sql::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::{json, to_json};
use crate::machine::{Breaker, State};

/// A job as the guard knows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) breaker: Breaker,
    pub(crate) last_started_at: Option<Timestamp>,
    pub(crate) last_run: Option<String>,
    /// When it last started or was kept from starting.
    pub(crate) last_tick_at: Option<Timestamp>,
    /// The newest run that was looked at.
    pub(crate) watermark: String,
    /// The runs up to there that had not ended.
    pub(crate) pending: Vec<Pending>,
    /// Ticks that did not run, since `skipped_since`.
    pub(crate) skipped: i64,
    pub(crate) skipped_since: Option<Timestamp>,
    pub(crate) declared_at: Option<Timestamp>,
    pub(crate) late_slot: Option<Timestamp>,
    pub(crate) acked_incident: Option<i64>,
    /// The form of the error for which it is open: another one is told of, and an `ack` is for this one.
    pub(crate) signature: Option<String>,
}

/// A run that had not ended when it was last looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) run: String,
    /// Whether its outcome will count: not after a trip or a resume.
    pub(crate) counts: bool,
    /// Whether a guard runs it, which has the last word on how it ended.
    #[serde(default)]
    pub(crate) guarded: bool,
}

impl Job {
    /// A job of which nothing is known.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// From now on no run that has started counts: the state was decided without them.
    pub(crate) fn discount_pending(&mut self) {
        for pending in &mut self.pending {
            pending.counts = false;
        }
    }
}

const COLUMNS: &str = "job, state, epoch, streak, successes, trips, manual, probation, resumes, neutrals,
    flapping, broken, recent, reason, incident, opened_at, next_probe_at, lease, failed_runs,
    first_failure_at, last_failure_at, last_success_at, last_started_at, last_run, watermark, pending,
    skipped, skipped_since, declared_at, late_slot, acked_incident, last_tick_at, signature";

fn from_row(row: &Row<'_>) -> sql::Result<Job> {
    let state: String = row.get(1)?;
    let lease: Option<String> = row.get(17)?;
    Ok(Job {
        name: row.get(0)?,
        breaker: Breaker {
            state: State::from_word(&state).ok_or(FromSqlError::InvalidType)?,
            epoch: row.get(2)?,
            streak: row.get(3)?,
            successes: row.get(4)?,
            trips: row.get(5)?,
            manual: row.get(6)?,
            probation: row.get(7)?,
            resumes: row.get(8)?,
            neutrals: row.get(9)?,
            flapping: row.get(10)?,
            broken: row.get(11)?,
            recent: row.get(12)?,
            reason: row.get(13)?,
            incident: row.get(14)?,
            opened_at: row.get(15)?,
            next_probe_at: row.get(16)?,
            lease: lease.as_deref().map(json).transpose()?,
            failed_runs: json(&row.get::<String>(18)?)?,
            first_failure_at: row.get(19)?,
            last_failure_at: row.get(20)?,
            last_success_at: row.get(21)?,
        },
        last_started_at: row.get(22)?,
        last_run: row.get(23)?,
        watermark: row.get(24)?,
        pending: json(&row.get::<String>(25)?)?,
        skipped: row.get(26)?,
        skipped_since: row.get(27)?,
        declared_at: row.get(28)?,
        late_slot: row.get(29)?,
        acked_incident: row.get(30)?,
        last_tick_at: row.get(31)?,
        signature: row.get(32)?,
    })
}

/// The job `name`, if the guard knows it.
pub(crate) fn get(connection: &Connection, name: &str) -> sql::Result<Option<Job>> {
    connection
        .query_row(&format!("SELECT {COLUMNS} FROM guard_jobs WHERE job = ?1"), [name], from_row)
        .optional()
}

/// Whether one look shows that nothing stands in the job's way and nothing is to be done for it: it is
/// closed, all its runs were looked at, nobody holds anything, and no alert is due.
///
/// One statement, because most ticks need no more, and each further one would cost a tenth of the gate.
pub(crate) fn is_at_rest(connection: &Connection, name: &str, now: Timestamp) -> sql::Result<bool> {
    connection
        .query_row(
            "SELECT state = 'closed' AND pending = '[]'
                AND watermark >= coalesce((SELECT max(id) FROM runs WHERE job = ?1), '')
                AND NOT EXISTS (SELECT 1 FROM guard_holds)
                AND NOT EXISTS (SELECT 1 FROM guard_deliveries WHERE due_at IS NOT NULL AND due_at <= ?2)
               FROM guard_jobs WHERE job = ?1",
            params![name, now],
            |row| row.get(0),
        )
        .optional()
        .map(|found| found.unwrap_or(false))
}

/// All jobs that the guard knows.
pub(crate) fn all(connection: &Connection) -> sql::Result<HashMap<String, Job>> {
    connection
        .prepare(&format!("SELECT {COLUMNS} FROM guard_jobs"))?
        .query_map([], |row| from_row(row).map(|job| (job.name.clone(), job)))?
        .collect()
}

/// Forgets a job of which nothing is known but its name.
pub(crate) fn remove(tx: &Connection, name: &str) -> sql::Result<()> {
    tx.send("DELETE FROM guard_jobs WHERE job = ?1", [name])?;
    Ok(())
}

/// Stores the job as it is now.
pub(crate) fn save(tx: &Connection, job: &Job) -> sql::Result<()> {
    let breaker = &job.breaker;
    let lease = breaker.lease.as_ref().map(to_json).transpose()?;
    tx.send(
        &format!(
            "INSERT INTO guard_jobs ({COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
                     ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33)
             ON CONFLICT (job) DO UPDATE SET
                state = excluded.state, epoch = excluded.epoch, streak = excluded.streak,
                successes = excluded.successes, trips = excluded.trips, manual = excluded.manual,
                probation = excluded.probation, resumes = excluded.resumes, neutrals = excluded.neutrals,
                flapping = excluded.flapping, broken = excluded.broken, recent = excluded.recent,
                reason = excluded.reason, incident = excluded.incident, opened_at = excluded.opened_at,
                next_probe_at = excluded.next_probe_at, lease = excluded.lease,
                failed_runs = excluded.failed_runs, first_failure_at = excluded.first_failure_at,
                last_failure_at = excluded.last_failure_at, last_success_at = excluded.last_success_at,
                last_started_at = excluded.last_started_at, last_run = excluded.last_run,
                watermark = excluded.watermark, pending = excluded.pending, skipped = excluded.skipped,
                skipped_since = excluded.skipped_since, declared_at = excluded.declared_at,
                late_slot = excluded.late_slot, acked_incident = excluded.acked_incident,
                last_tick_at = excluded.last_tick_at, signature = excluded.signature"
        ),
        params![
            job.name,
            breaker.state.as_str(),
            breaker.epoch,
            breaker.streak,
            breaker.successes,
            breaker.trips,
            breaker.manual,
            breaker.probation,
            breaker.resumes,
            breaker.neutrals,
            breaker.flapping,
            breaker.broken,
            breaker.recent,
            breaker.reason,
            breaker.incident,
            breaker.opened_at,
            breaker.next_probe_at,
            lease,
            to_json(&breaker.failed_runs)?,
            breaker.first_failure_at,
            breaker.last_failure_at,
            breaker.last_success_at,
            job.last_started_at,
            job.last_run,
            job.watermark,
            to_json(&job.pending)?,
            job.skipped,
            job.skipped_since,
            job.declared_at,
            job.late_slot,
            job.acked_incident,
            job.last_tick_at,
            job.signature,
        ],
    )?;
    Ok(())
}
