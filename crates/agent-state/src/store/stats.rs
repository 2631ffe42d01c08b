//! The numbers of the fleet at a glance.

use common::clock::Timestamp;
use common::fleet::liveness::Here;
use common::fleet::runs::{self, Status};
use common::sql::{self, Connection};
use serde::Serialize;

use super::{locks, tasks};
use crate::task::State;

/// How many there are of what.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Stats {
    pub(crate) agents: i64,
    pub(crate) runs_active: i64,
    pub(crate) runs_completed: i64,
    pub(crate) runs_failed: i64,
    pub(crate) runs_interrupted: i64,
    pub(crate) active_locks: i64,
    pub(crate) open_tasks: i64,
}

/// Counts, as a reader sees it: running rows whose process is gone count as interrupted.
pub(crate) fn read(connection: &Connection, here: &Here, now: Timestamp) -> sql::Result<Stats> {
    let mut stats = Stats {
        agents: connection.query_row(
            "SELECT count(*) FROM agents WHERE retired_at IS NULL",
            [],
            |row| row.get(0),
        )?,
        ..Stats::default()
    };
    let mut statement = connection.prepare("SELECT status, n_runs FROM run_counts")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let count = match row.get(0)? {
            Status::Running => &mut stats.runs_active,
            Status::Completed => &mut stats.runs_completed,
            Status::Failed => &mut stats.runs_failed,
            Status::Interrupted => &mut stats.runs_interrupted,
        };
        *count = row.get(1)?;
    }
    for run in runs::with_status(connection, Status::Running)? {
        if run.as_seen(here, now).status == Status::Interrupted {
            stats.runs_active -= 1;
            stats.runs_interrupted += 1;
        }
    }
    stats.active_locks =
        i64::try_from(locks::held(connection, here, now)?.len()).unwrap_or(i64::MAX);
    let open = tasks::list(connection, Some(State::Running), u32::MAX, here, now)?;
    stats.open_tasks = i64::try_from(open.len()).unwrap_or(i64::MAX);
    Ok(stats)
}

/// What is alive: runs, locks, and nodes of tasks that somebody works on.
pub(crate) fn alive(
    connection: &Connection,
    here: &Here,
    now: Timestamp,
) -> sql::Result<[(usize, &'static str); 3]> {
    let runs = runs::with_status(connection, Status::Running)?;
    let n_runs = runs
        .into_iter()
        .filter(|run| run.clone().as_seen(here, now).status == Status::Running)
        .count();
    let n_locks = locks::held(connection, here, now)?.len();
    let n_nodes = tasks::at_work(connection, here, now)?;
    Ok([(n_runs, "run"), (n_locks, "lock"), (n_nodes, "node")])
}
