//! What jobs used over a window, from the journal's columns.

use common::clock::Timestamp;
use common::fleet::first_id_at;
use common::sql::{self, Connection, Row, params};

/// What was used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Spent {
    pub(crate) runs: f64,
    pub(crate) tokens: f64,
    pub(crate) usd: f64,
    pub(crate) minutes: f64,
}

impl Spent {
    /// Both together.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            runs: self.runs + other.runs,
            tokens: self.tokens + other.tokens,
            usd: self.usd + other.usd,
            minutes: self.minutes + other.minutes,
        }
    }
}

// Ids of runs grow with time, so the primary key and the index by job bound the window.
const SUMS: &str = "SELECT CAST(count(*) AS DOUBLE PRECISION), CAST(coalesce(sum(token_usage), 0) AS DOUBLE PRECISION),
        CAST(coalesce(sum(cost_usd), 0) AS DOUBLE PRECISION),
        CAST(coalesce(sum(coalesce(finished_at, ?2) - started_at), 0) AS DOUBLE PRECISION) / 60000
   FROM runs WHERE id >= ?1 AND started_at > ?3 AND started_at <= ?2";

fn from_row(row: &Row<'_>) -> sql::Result<Spent> {
    Ok(Spent { runs: row.get(0)?, tokens: row.get(1)?, usd: row.get(2)?, minutes: row.get(3)? })
}

/// What one job used since `since`.
pub(crate) fn of_job(
    connection: &Connection,
    job: &str,
    since: Timestamp,
    now: Timestamp,
) -> sql::Result<Spent> {
    connection.query_row(
        &format!("{SUMS} AND job = ?4"),
        params![first_id_at(since), now, since, job],
        from_row,
    )
}

/// What all jobs used since `since`.
pub(crate) fn of_all(
    connection: &Connection,
    since: Timestamp,
    now: Timestamp,
) -> sql::Result<Spent> {
    connection.query_row(SUMS, params![first_id_at(since), now, since], from_row)
}
