//! The record of changes, read back. Writing it is the business of whoever changes something.

use common::clock::Timestamp;
use common::sql::{self, Connection, Row};
use serde::Serialize;

use crate::value::Json;

/// One recorded change.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Recorded {
    #[serde(rename = "event_id")]
    pub(crate) id: i64,
    pub(crate) at: Timestamp,
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) agent_id: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) run_id: Option<String>,
    pub(crate) detail: Option<Json>,
}

const SELECT: &str = "SELECT e.id, e.at, e.kind, e.subject, e.agent_id, a.name, e.run_id, e.detail
   FROM events e LEFT JOIN agents a ON a.id = e.agent_id";

fn from_row(row: &Row<'_>) -> sql::Result<Recorded> {
    Ok(Recorded {
        id: row.get(0)?,
        at: row.get(1)?,
        kind: row.get(2)?,
        subject: row.get(3)?,
        agent_id: row.get(4)?,
        agent: row.get(5)?,
        run_id: row.get(6)?,
        detail: row.get::<Option<String>>(7)?.map(Json::from),
    })
}

/// The newest events, oldest first.
pub(crate) fn newest(connection: &Connection, limit: u32) -> sql::Result<Vec<Recorded>> {
    let mut events: Vec<Recorded> = connection
        .prepare(&format!("{SELECT} ORDER BY e.id DESC LIMIT ?1"))?
        .query_map([limit], from_row)?
        .collect::<sql::Result<_>>()?;
    events.reverse();
    Ok(events)
}

/// The newest events of a task, oldest first; a detail of more than 16 KiB is left out.
pub(crate) fn newest_of_task(
    connection: &Connection,
    task_id: &str,
    limit: u32,
) -> sql::Result<Vec<Recorded>> {
    // The bounds are those of the index that has the events of tasks alone.
    let mut events: Vec<Recorded> = connection
        .prepare(&format!(
            "{} WHERE e.subject = ?1 AND e.kind >= 'task.' AND e.kind < 'task/' ORDER BY e.id DESC LIMIT ?2",
            SELECT.replace("e.detail", "CASE WHEN length(e.detail) <= 16384 THEN e.detail END")
        ))?
        .query_map(sql::params![task_id, limit], from_row)?
        .collect::<sql::Result<_>>()?;
    events.reverse();
    Ok(events)
}

/// The events since a moment, oldest first, handed to `take` until it fails.
pub(crate) fn since<E>(
    connection: &Connection,
    since: Timestamp,
    take: impl FnMut(Recorded) -> Result<(), E>,
) -> sql::Result<Result<(), E>> {
    each(connection, "e.at >= ?1 ORDER BY e.at, e.id", since.0, take)
}

/// The events after one of them, oldest first, handed to `take` until it fails.
pub(crate) fn after<E>(
    connection: &Connection,
    id: i64,
    take: impl FnMut(Recorded) -> Result<(), E>,
) -> sql::Result<Result<(), E>> {
    each(connection, "e.id > ?1 ORDER BY e.id", id, take)
}

fn each<E>(
    connection: &Connection,
    clause: &str,
    value: i64,
    mut take: impl FnMut(Recorded) -> Result<(), E>,
) -> sql::Result<Result<(), E>> {
    let mut statement = connection.prepare(&format!("{SELECT} WHERE {clause}"))?;
    let mut rows = statement.query([value])?;
    while let Some(row) = rows.next()? {
        if let Err(error) = take(from_row(&row)?) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// The id of the newest event; 0 when there is none.
pub(crate) fn last_id(connection: &Connection) -> sql::Result<i64> {
    connection.query_row("SELECT coalesce(max(id), 0) FROM events", [], |row| row.get(0))
}
