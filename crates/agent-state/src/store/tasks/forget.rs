//! Forgets tasks that ended long ago, each with all its nodes.

use common::clock::Timestamp;
use common::sql::{self, Connection, params};

/// How many tasks ended before this moment; counted up to `limit`.
pub(crate) fn ended(connection: &Connection, before: Timestamp, limit: u32) -> sql::Result<i64> {
    connection.query_row(
        "SELECT count(*) FROM (SELECT 1 FROM tasks WHERE ended_at IS NOT NULL AND ended_at < ?1 LIMIT ?2) old",
        params![before, limit],
        |row| row.get(0),
    )
}

/// Tasks that ended before this moment, with about `n_nodes` nodes together, but one at least.
pub(crate) fn forgettable(
    connection: &Connection,
    before: Timestamp,
    n_nodes: u32,
) -> sql::Result<Vec<String>> {
    let mut statement = connection.prepare(
        "SELECT id, n_nodes FROM tasks WHERE ended_at IS NOT NULL AND ended_at < ?1 ORDER BY ended_at LIMIT ?2",
    )?;
    let mut rows = statement.query(params![before, n_nodes])?;
    let mut tasks = Vec::new();
    let mut left = i64::from(n_nodes);
    while let Some(row) = rows.next()? {
        left -= row.get::<i64>(1)?;
        // A task is forgotten whole, so that nobody ever sees a part of it.
        if left < 0 && !tasks.is_empty() {
            break;
        }
        tasks.push(row.get(0)?);
    }
    Ok(tasks)
}

/// Forgets these tasks.
pub(crate) fn forget(tx: &Connection, tasks: &[String]) -> sql::Result<()> {
    const NODES: &str = "(SELECT seq FROM task_nodes WHERE task_id = ?1)";
    for task in tasks {
        tx.send(&format!("DELETE FROM task_edges WHERE node IN {NODES}"), [task])?;
        tx.send(&format!("DELETE FROM task_values WHERE node IN {NODES}"), [task])?;
        tx.send("DELETE FROM task_nodes WHERE task_id = ?1", [task])?;
        tx.send("DELETE FROM task_texts WHERE task_id = ?1", [task])?;
        tx.send("DELETE FROM tasks WHERE id = ?1", [task])?;
    }
    Ok(())
}
