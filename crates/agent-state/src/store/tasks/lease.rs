//! Gives nodes out, keeps their leases, and takes back what has lapsed.

use std::time::Duration;

use common::clock::Timestamp;
use common::duration;
use common::fleet::agents::AgentId;
use common::fleet::liveness::{Here, Holder};
use common::fleet::new_id;
use common::fleet::runs::RunId;
use common::sql::{self, Connection, OptionalExtension as _, params};
use serde::Serialize;
use serde_json::json;

use super::super::events::{self, Recorded};
use super::super::must_go_on;
use super::{Stop, count, end, event, facts, lapse_of, node, node_at, nodes_where, task};
use crate::error::Error;
use crate::lock::Lapse;
use crate::task::{Node, State};
use crate::value::Json;

/// How many of the last events of its task come with a node.
const EVENTS: u32 = 50;
/// How many bytes of results come with a node; the others are read with `task show`.
const RESULTS: usize = 8 << 20;

/// What can be given out, in the words of the two indexes that hold just that.
pub(super) const READY: &str =
    "SELECT seq FROM task_nodes WHERE state = 'pending' AND n_waiting = 0";

/// Who takes a node, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Taking {
    pub(crate) agent: AgentId,
    pub(crate) run: Option<RunId>,
    /// The process that the lease belongs to; without one it belongs to whoever knows its id.
    pub(crate) holder: Option<Holder>,
    pub(crate) lease: Duration,
}

/// A node that was given out, with all that its agent needs to know.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Handed {
    #[serde(flatten)]
    pub(crate) node: Node,
    /// The name of its task.
    pub(crate) task: Option<String>,
    pub(crate) goal: Option<Json>,
    pub(crate) context: Option<Json>,
    pub(crate) payload: Option<Json>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) events: Vec<Recorded>,
}

/// What a node comes after.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Dependency {
    pub(crate) id: String,
    pub(crate) node_id: String,
    pub(crate) result: Option<Json>,
    /// The result is left out, because all of them together are too much.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    left_out: bool,
}

/// Gives out the first node that is ready, of one task or of any.
pub(crate) fn next(
    tx: &Connection,
    of: Option<&str>,
    taking: &Taking,
    here: &Here,
    now: Timestamp,
) -> Result<Handed, Stop> {
    must_go_on(tx, taking.run.as_ref(), here, now)?;
    // Also before the task is judged: what lapses may end it.
    for node in nodes_where(tx, "n.state = 'running' AND n.lease_until <= ?1", &[&now])? {
        take_back(tx, &node, Lapse::Expired, now)?;
    }
    let mut task_id = None;
    if let Some(of) = of {
        let task = task(tx, of)?;
        if task.state != State::Running {
            return Err(Error::TaskEnded { task: Box::new(task) }.into());
        }
        task_id = Some(task.task_id);
    }
    let mut ready = first_ready(tx, task_id.as_deref())?;
    if ready.is_none() {
        // Processes are looked at only when it matters: it costs more than all the rest.
        for node in nodes_where(tx, "n.state = 'running'", &[])? {
            if let Some(lapse) = lapse_of(tx, &node, here, now)? {
                take_back(tx, &node, lapse, now)?;
            }
        }
        ready = first_ready(tx, task_id.as_deref())?;
    }
    match ready {
        Some(seq) => Ok(grant(tx, seq, taking, now)?),
        None => match task_id {
            Some(task_id) => {
                let task = task(tx, &task_id)?;
                Err(match task.state {
                    State::Running => Error::NothingReady { task: Some(Box::new(task)) },
                    _ => Error::TaskEnded { task: Box::new(task) },
                }
                .into())
            }
            None => Err(Error::NothingReady { task: None }.into()),
        },
    }
}

fn first_ready(tx: &Connection, task_id: Option<&str>) -> sql::Result<Option<i64>> {
    match task_id {
        Some(task_id) => tx
            .prepare(&format!("{READY} AND task_id = ?1 ORDER BY seq LIMIT 1"))?
            .query_row([task_id], |row| row.get(0))
            .optional(),
        None => tx
            .prepare(&format!("{READY} ORDER BY seq LIMIT 1"))?
            .query_row([], |row| row.get(0))
            .optional(),
    }
}

fn grant(tx: &Connection, seq: i64, taking: &Taking, now: Timestamp) -> sql::Result<Handed> {
    let holder = taking.holder.as_ref();
    tx.prepare(
        "UPDATE task_nodes SET state = 'running', attempts = attempts + 1, reason = NULL, agent_id = ?2, run_id = ?3,
                lease_id = ?4, leased_at = ?5, lease_ms = ?6, lease_until = ?7, host = ?8, boot_id = ?9,
                pid_space = ?10, pid = ?11, pid_started = ?12
          WHERE seq = ?1",
    )?
    .send(params![
        seq,
        taking.agent,
        taking.run,
        new_id(),
        now,
        duration::millis(taking.lease),
        now.plus(taking.lease),
        holder.map(|holder| &holder.host),
        holder.map(|holder| &holder.boot_id),
        holder.map(|holder| &holder.pid_space),
        holder.map(|holder| holder.pid),
        holder.map(|holder| holder.pid_started),
    ])?;
    let node = node_at(tx, seq)?;
    count(tx, &node.task_id, (State::Pending, State::Running), 1, now)?;
    // Those before this one: the agent knows of this one.
    let events = events::newest_of_task(tx, &node.task_id, EVENTS)?;
    event(tx, "task.next", &node, facts([("lease_until", json!(node.lease_until))]), now)?;
    let (task, goal, context) = tx
        .prepare(
            "SELECT t.name, x.goal, x.context FROM tasks t LEFT JOIN task_texts x ON x.task_id = t.id WHERE t.id = ?1",
        )?
        .query_row([&node.task_id], |row| Ok((row.get(0)?, json_at(row, 1)?, json_at(row, 2)?)))?;
    let payload = tx
        .prepare("SELECT payload FROM task_values WHERE node = ?1")?
        .query_row([seq], |row| json_at(row, 0))
        .optional()?
        .flatten();
    Ok(Handed { task, goal, context, payload, dependencies: dependencies(tx, seq)?, events, node })
}

fn json_at(row: &sql::Row<'_>, column: usize) -> sql::Result<Option<Json>> {
    Ok(row.get::<Option<String>>(column)?.map(Json::from))
}

pub(super) fn dependencies(connection: &Connection, seq: i64) -> sql::Result<Vec<Dependency>> {
    let mut statement = connection.prepare(
        "SELECT n.id, n.node_id, v.result FROM task_edges e JOIN task_nodes n ON n.seq = e.after
                LEFT JOIN task_values v ON v.node = n.seq
          WHERE e.node = ?1 ORDER BY n.seq",
    )?;
    let mut rows = statement.query([seq])?;
    let mut dependencies = Vec::new();
    let mut n_bytes = 0;
    while let Some(row) = rows.next()? {
        let mut result = json_at(&row, 2)?;
        n_bytes += result.as_ref().map_or(0, |result| result.as_str().len());
        let left_out = result.is_some() && n_bytes > RESULTS;
        if left_out {
            result = None;
        }
        dependencies.push(Dependency { id: row.get(0)?, node_id: row.get(1)?, result, left_out });
    }
    Ok(dependencies)
}

/// Takes a node from an attempt that has ended by itself.
pub(super) fn take_back(
    tx: &Connection,
    node: &Node,
    lapse: Lapse,
    now: Timestamp,
) -> sql::Result<()> {
    event(tx, "task.lapse", node, facts([("reason", json!(lapse.as_str()))]), now)?;
    match node.after_attempt() {
        State::Pending => end::put_back(tx, node, Some(lapse.as_str()), None, now),
        _ => end::fail(tx, node, lapse.as_str(), None, now),
    }
}

/// The node, when this lease is the one under which it runs; or the "no" that says how it stands.
///
/// An attempt that has ended by itself is recorded as that: no heartbeat revives it, also not after the
/// clock went back.
pub(super) fn under_lease(
    tx: &Connection,
    named: &str,
    lease_id: &str,
    here: &Here,
    now: Timestamp,
) -> Result<Node, Stop> {
    let node = node(tx, named)?;
    let is_own = node.state == State::Running && node.lease_id.as_deref() == Some(lease_id);
    if let Some(lapse) = lapse_of(tx, &node, here, now)?.filter(|_| is_own) {
        take_back(tx, &node, lapse, now)?;
        return Err(stale(tx, node.seq)?);
    }
    if is_own { Ok(node) } else { Err(stale(tx, node.seq)?) }
}

pub(super) fn stale(tx: &Connection, seq: i64) -> sql::Result<Stop> {
    // Whoever lost it must not learn the lease of the one who has it now.
    let node = Node { lease_id: None, ..node_at(tx, seq)? };
    Ok(Error::StaleLease { node: Box::new(node) }.into())
}

/// Lengthens a lease by as much as it was given for; it is never shortened, also not by a clock that went
/// back. What the agent says of its progress is recorded, and renewing alone is not: it would fill the events.
pub(crate) fn heartbeat(
    tx: &Connection,
    named: &str,
    lease_id: &str,
    progress: Option<&Json>,
    here: &Here,
    now: Timestamp,
) -> Result<Node, Stop> {
    let node = under_lease(tx, named, lease_id, here, now)?;
    tx.prepare(
        "UPDATE task_nodes SET lease_until = CASE WHEN lease_until > ?2 + lease_ms THEN lease_until ELSE ?2 + lease_ms END WHERE seq = ?1",
    )?
    .send(params![node.seq, now])?;
    if let Some(progress) = progress {
        event(tx, "task.progress", &node, facts([("progress", json!(progress))]), now)?;
    }
    Ok(node_at(tx, node.seq)?)
}

/// Lengthens the lease of a process that keeps it; `None` when it is lost.
pub(crate) fn keep_alive(
    tx: &Connection,
    node: &Node,
    now: Timestamp,
) -> sql::Result<Option<Timestamp>> {
    let renewed = tx
        .prepare(
            "UPDATE task_nodes SET lease_until = CASE WHEN lease_until > ?3 + lease_ms THEN lease_until ELSE ?3 + lease_ms END
              WHERE seq = ?1 AND lease_id = ?2 AND state = 'running' AND lease_until > ?3 RETURNING lease_until",
        )?
        .query_row(params![node.seq, node.lease_id, now], |row| row.get(0))
        .optional()?;
    match renewed {
        Some(until) => Ok(Some(until)),
        None => {
            Ok(is_ours(tx, node, now)?.then_some(Timestamp(now.0.saturating_add(node.lease_ms))))
        }
    }
}

/// Whether the node still runs under this lease, or was ended under it: by the command itself, perhaps.
pub(crate) fn is_ours(connection: &Connection, node: &Node, now: Timestamp) -> sql::Result<bool> {
    connection
        .query_row(
            "SELECT 1 FROM task_nodes
              WHERE seq = ?1 AND lease_id = ?2 AND (state <> 'running' OR lease_until > ?3)",
            params![node.seq, node.lease_id, now],
            |_| Ok(()),
        )
        .optional()
        .map(|ours| ours.is_some())
}
