//! Ticks that did not run, counted by the hour, and the distance that groups of jobs keep.

use std::collections::HashMap;

use common::clock::Timestamp;
use common::sql::{self, Connection, OptionalExtension as _, params};

const HOUR: i64 = 3_600_000;

/// The kinds of ticks that gave way to another run: nothing was wrong with the job.
pub(crate) const APART: [&str; 2] = ["overlap", "spacing"];

/// Counts one tick of `job` that did not run, for the reason `kind`.
pub(crate) fn count(tx: &Connection, job: &str, kind: &str, now: Timestamp) -> sql::Result<()> {
    tx.send(
        "INSERT INTO guard_skips (job, kind, hour, count) VALUES (?1, ?2, ?3, 1)
         ON CONFLICT (job, kind, hour) DO UPDATE SET count = guard_skips.count + 1",
        params![job, kind, now.0.div_euclid(HOUR) * HOUR],
    )?;
    Ok(())
}

/// Ticks of one hour that did not run.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Skips {
    pub(crate) job: String,
    pub(crate) kind: String,
    pub(crate) hour: Timestamp,
    pub(crate) count: i64,
}

/// What was skipped from `since` on, of one job or of all, oldest first.
pub(crate) fn since(
    connection: &Connection,
    job: Option<&str>,
    since: Timestamp,
) -> sql::Result<Vec<Skips>> {
    connection
        .prepare(
            "SELECT job, kind, hour, count FROM guard_skips
              WHERE (job = ?1 OR ?1 IS NULL) AND hour > ?2 ORDER BY hour, job, kind",
        )?
        .query_map(params![job, since.0.saturating_sub(HOUR)], |row| {
            Ok(Skips { job: row.get(0)?, kind: row.get(1)?, hour: row.get(2)?, count: row.get(3)? })
        })?
        .collect()
}

/// How many ticks of a job gave way to another run, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GaveWay {
    pub(crate) overlap: i64,
    pub(crate) spacing: i64,
}

/// How many ticks of each job gave way since `since`, to the hour.
pub(crate) fn apart(
    connection: &Connection,
    since: Timestamp,
) -> sql::Result<HashMap<String, GaveWay>> {
    let [overlap, spacing] = APART;
    let mut found: HashMap<String, GaveWay> = HashMap::new();
    for skips in self::since(connection, None, since)? {
        let count = if skips.kind == overlap {
            &mut found.entry(skips.job).or_default().overlap
        } else if skips.kind == spacing {
            &mut found.entry(skips.job).or_default().spacing
        } else {
            continue;
        };
        *count += skips.count;
    }
    Ok(found)
}

/// Forgets what is older than `before`.
pub(crate) fn prune(tx: &Connection, before: Timestamp) -> sql::Result<()> {
    tx.send("DELETE FROM guard_skips WHERE hour < ?1", [before])?;
    Ok(())
}

/// The last start in a group of jobs that keep their distance.
pub(crate) fn last_in_group(
    connection: &Connection,
    group: &str,
) -> sql::Result<Option<(String, Timestamp)>> {
    connection
        .query_row("SELECT job, started_at FROM guard_spacing WHERE name = ?1", [group], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}

/// Notes a start in a group.
pub(crate) fn started_in_group(
    tx: &Connection,
    group: &str,
    job: &str,
    now: Timestamp,
) -> sql::Result<()> {
    tx.send(
        "INSERT INTO guard_spacing (name, job, started_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET job = excluded.job, started_at = excluded.started_at",
        params![group, job, now],
    )?;
    Ok(())
}
