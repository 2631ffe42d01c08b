//! What the guard reads from the journal beyond the shared queries.

use std::collections::HashMap;

use common::clock::Timestamp;
use common::fleet::first_id_at;
use common::fleet::runs::{Status, Verdict};
use common::sql::{self, Connection, params};

/// The newest run of every job that has runs.
///
/// One seek a job: a plain DISTINCT would read a million index entries.
pub(crate) fn newest_runs(connection: &Connection) -> sql::Result<HashMap<String, String>> {
    let mut next = connection.prepare("SELECT min(job) FROM runs WHERE job > ?1")?;
    let mut newest = connection.prepare("SELECT max(id) FROM runs WHERE job = ?1")?;
    let mut runs = HashMap::new();
    // The empty name is not a name, so every name sorts behind it.
    let mut name = String::new();
    loop {
        let found: Option<String> = next.query_row([&name], |row| row.get(0))?;
        let Some(found) = found else { return Ok(runs) };
        name.clone_from(&found);
        if let Some(run) = newest.query_row([&found], |row| row.get(0))? {
            runs.insert(found, run);
        }
    }
}

/// What a report needs of a run.
pub(crate) struct Brief {
    pub(crate) job: String,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) exit_code: Option<i64>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) token_usage: Option<i64>,
    pub(crate) cost_usd: Option<f64>,
}

/// Hands the runs that started from `since` to `until` to `take`, oldest first.
pub(crate) fn between(
    connection: &Connection,
    since: Timestamp,
    until: Timestamp,
    mut take: impl FnMut(Brief),
) -> sql::Result<()> {
    let mut statement = connection.prepare(
        "SELECT job, status, reason, exit_code, verdict, started_at, finished_at, token_usage, cost_usd FROM runs
          WHERE id >= ?1 AND started_at >= ?2 AND started_at <= ?3 AND job IS NOT NULL ORDER BY id",
    )?;
    let mut rows = statement.query(params![first_id_at(since), since, until])?;
    while let Some(row) = rows.next()? {
        take(Brief {
            job: row.get(0)?,
            status: row.get(1)?,
            reason: row.get(2)?,
            exit_code: row.get(3)?,
            verdict: row.get(4)?,
            started_at: row.get(5)?,
            finished_at: row.get(6)?,
            token_usage: row.get(7)?,
            cost_usd: row.get(8)?,
        });
    }
    Ok(())
}
