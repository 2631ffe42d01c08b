//! What can be wrong with a database, as far as the database itself can tell.

use common::clock::Timestamp;
use common::fleet::liveness::Here;
use common::fleet::runs::{self, Run, Status};
use common::sql::{self, Connection};

use super::{actions, locks, tasks};
use crate::action::State;
use crate::store::locks::Grant;
use crate::task::{Node, Task};

/// What stands in the database and should not, or waits for somebody.
pub(crate) struct Leftovers {
    /// When the newest event was recorded.
    pub(crate) newest_event: Option<Timestamp>,
    /// Running rows whose process is gone.
    pub(crate) gone_runs: Vec<Run>,
    /// Runs without a sign of life for longer than is plausible.
    pub(crate) silent_runs: Vec<Run>,
    /// Grants that hold no longer and were not taken away yet.
    pub(crate) dead_locks: Vec<Grant>,
    pub(crate) n_unknown_actions: usize,
    /// Nodes whose attempt has ended and that nobody took back yet.
    pub(crate) lapsed_nodes: Vec<Node>,
    /// Open tasks that nobody works on.
    pub(crate) waiting_tasks: Vec<Task>,
}

/// Reads them.
pub(crate) fn leftovers(
    connection: &Connection,
    silent_since: Timestamp,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Leftovers> {
    let newest_event = connection.query_row("SELECT max(at) FROM events", [], |row| row.get(0))?;
    let (running, gone_runs): (Vec<Run>, Vec<Run>) =
        runs::with_status(connection, Status::Running)?
            .into_iter()
            .map(|run| run.as_seen(here, now))
            .partition(|run| run.status == Status::Running);
    let silent_runs = running.into_iter().filter(|run| run.heartbeat_at < silent_since).collect();
    let unknown = actions::list(connection, Some(State::Unknown), u32::MAX, here, now)?;
    Ok(Leftovers {
        newest_event,
        gone_runs,
        silent_runs,
        dead_locks: locks::lapsed(connection, here, now)?,
        n_unknown_actions: unknown.len(),
        lapsed_nodes: tasks::lapsed(connection, here, now)?
            .into_iter()
            .map(|(node, _)| node)
            .collect(),
        waiting_tasks: tasks::waiting_since(connection, silent_since)?,
    })
}

/// Writes what it takes away again before the end, through to the disk: what only reads finds no full disk,
/// no read-only mount and no missing permission.
pub(crate) fn try_to_write(tx: &Connection) -> sql::Result<()> {
    tx.execute(
        "INSERT INTO counters (name, value) VALUES ('doctor', 0) ON CONFLICT (name) DO NOTHING",
        [],
    )?;
    tx.execute("DELETE FROM counters WHERE name = 'doctor'", []).map(|_| ())
}
