//! Tasks on record: graphs of nodes that are given out under leases.
//!
//! Each change of a node moves the counts of its task and, when it is completed, the number of what each
//! node below still waits for, in one transaction: nobody ever counts a graph to find what is next.

mod end;
mod forget;
mod lease;
#[cfg(test)]
mod model;
mod read;
mod submit;

use common::clock::Timestamp;
use common::fleet::events::Event;
use common::fleet::liveness::Here;
use common::sql::{self, Connection, OptionalExtension as _, Row, params};
use serde_json::Value;

use super::{Stop, holder_from_row, is_running};
use crate::error::Error;
use crate::lock::{Lapse, lapse};
use crate::task::{Counts, Node, State, Task};
use crate::value::Json;

pub(crate) use end::{Outcome, cancel, end, give_back};
pub(crate) use forget::{ended, forget, forgettable};
pub(crate) use lease::{Handed, Taking, heartbeat, is_ours, keep_alive, next};
pub(crate) use read::{Details, at_work, details, lapsed, list, names, view, waiting_since};
pub(crate) use submit::submit;

const SELECT_TASK: &str =
    "SELECT t.id, t.name, x.goal, t.state, t.reason, t.run_id, t.submitted_at, t.changed_at, t.ended_at, t.n_nodes,
        t.n_pending, t.n_running, t.n_completed, t.n_failed, t.n_blocked
   FROM tasks t LEFT JOIN task_texts x ON x.task_id = t.id";

fn task_from_row(row: &Row<'_>) -> sql::Result<Task> {
    Ok(Task {
        task_id: row.get(0)?,
        name: row.get(1)?,
        goal: row.get::<Option<String>>(2)?.map(Json::from),
        state: row.get(3)?,
        reason: row.get(4)?,
        run_id: row.get(5)?,
        submitted_at: row.get(6)?,
        changed_at: row.get(7)?,
        ended_at: row.get(8)?,
        n_nodes: row.get(9)?,
        counts: Counts {
            pending: row.get(10)?,
            running: row.get(11)?,
            completed: row.get(12)?,
            failed: row.get(13)?,
            blocked: row.get(14)?,
        },
    })
}

const SELECT_NODE: &str =
    "SELECT n.seq, n.node_id, n.task_id, n.id, n.state, n.n_waiting, n.attempts, n.max_attempts, n.reason, v.error,
        b.id, n.agent_id, a.name, n.run_id, n.lease_id, n.leased_at, n.lease_ms, n.lease_until, n.ended_at,
        n.host, n.boot_id, n.pid_space, n.pid, n.pid_started
   FROM task_nodes n LEFT JOIN task_values v ON v.node = n.seq LEFT JOIN task_nodes b ON b.seq = n.blocked_by
        LEFT JOIN agents a ON a.id = n.agent_id";

fn node_from_row(row: &Row<'_>) -> sql::Result<Node> {
    Ok(Node {
        seq: row.get(0)?,
        node_id: row.get(1)?,
        task_id: row.get(2)?,
        id: row.get(3)?,
        state: row.get(4)?,
        waiting_for: row.get(5)?,
        attempts: row.get(6)?,
        max_attempts: row.get(7)?,
        reason: row.get(8)?,
        error: row.get(9)?,
        blocked_by: row.get(10)?,
        agent_id: row.get(11)?,
        agent: row.get(12)?,
        run_id: row.get(13)?,
        lease_id: row.get(14)?,
        leased_at: row.get(15)?,
        lease_ms: row.get::<Option<i64>>(16)?.unwrap_or(0),
        lease_until: row.get(17)?,
        ended_at: row.get(18)?,
        holder: holder_from_row(row, 19)?,
    })
}

fn node_where(
    connection: &Connection,
    clause: &str,
    values: &[&dyn sql::ToSql],
) -> sql::Result<Option<Node>> {
    connection
        .prepare(&format!("{SELECT_NODE} WHERE {clause}"))?
        .query_row(values, node_from_row)
        .optional()
}

fn nodes_where(
    connection: &Connection,
    clause: &str,
    values: &[&dyn sql::ToSql],
) -> sql::Result<Vec<Node>> {
    connection
        .prepare(&format!("{SELECT_NODE} WHERE {clause}"))?
        .query_map(values, node_from_row)?
        .collect()
}

fn node_at(connection: &Connection, seq: i64) -> sql::Result<Node> {
    node_where(connection, "n.seq = ?1", &[&seq])?.ok_or(sql::Error::NoRow)
}

/// The task with this id or this name: the open one of the name or, without one, the newest.
fn find_task(connection: &Connection, id_or_name: &str) -> sql::Result<Option<Task>> {
    for clause in [
        "t.id = ?1",
        "t.name = ?1 AND t.state = 'running'",
        "t.name = ?1 ORDER BY t.id DESC LIMIT 1",
    ] {
        let found = connection
            .prepare(&format!("{SELECT_TASK} WHERE {clause}"))?
            .query_row([id_or_name], task_from_row)
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The task with this id or name, or the "no" that says there is none.
pub(crate) fn task(connection: &Connection, id_or_name: &str) -> Result<Task, Stop> {
    find_task(connection, id_or_name)?
        .ok_or_else(|| Error::NoTask { task: id_or_name.to_owned() }.into())
}

/// The node with this id, or the one that `TASK/ID` names; or the "no" that says there is none.
pub(crate) fn node(connection: &Connection, named: &str) -> Result<Node, Stop> {
    if let Some(node) = node_where(connection, "n.node_id = ?1", &[&named])? {
        return Ok(node);
    }
    // Names of tasks and of nodes may have a slash themselves.
    for (at, _) in named.match_indices('/') {
        let (of, id) = (&named[..at], &named[at + 1..]);
        if let Some(task) = find_task(connection, of)?
            && let Some(node) =
                node_where(connection, "n.task_id = ?1 AND n.id = ?2", &[&task.task_id, &id])?
        {
            return Ok(node);
        }
    }
    Err(Error::NoNode { node: named.to_owned() }.into())
}

/// Why the attempt at a node has ended by itself; `None` while it goes on, or when there is none.
fn lapse_of(
    connection: &Connection,
    node: &Node,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Option<Lapse>> {
    let (State::Running, Some(until)) = (node.state, node.lease_until) else { return Ok(None) };
    let run_is_running = is_running(connection, node.run_id.as_ref(), here, now)?;
    Ok(lapse(until, node.holder.as_ref(), run_is_running, here, now))
}

/// Moves nodes of a task from one count to another.
fn count(
    tx: &Connection,
    task_id: &str,
    (from, to): (State, State),
    n_nodes: usize,
    now: Timestamp,
) -> sql::Result<()> {
    let n_nodes = i64::try_from(n_nodes).unwrap_or(i64::MAX);
    let (from, to) = (from.as_str(), to.as_str());
    tx.prepare(&format!(
        "UPDATE tasks SET n_{from} = n_{from} - ?2, n_{to} = n_{to} + ?2, changed_at = CASE WHEN changed_at > ?3 THEN changed_at ELSE ?3 END
          WHERE id = ?1"
    ))?
    .send(params![task_id, n_nodes, now])?;
    Ok(())
}

/// Ends the task when none of its nodes can go on.
fn settle(tx: &Connection, task_id: &str, now: Timestamp) -> sql::Result<()> {
    let counts: Counts = tx
        .prepare(
            "SELECT n_pending, n_running, n_completed, n_failed, n_blocked FROM tasks WHERE id = ?1",
        )?
        .query_row([task_id], |row| {
            Ok(Counts {
                pending: row.get(0)?,
                running: row.get(1)?,
                completed: row.get(2)?,
                failed: row.get(3)?,
                blocked: row.get(4)?,
            })
        })?;
    let state = counts.state();
    if state == State::Running {
        return Ok(());
    }
    let reason: Option<String> = tx
        .prepare(
            "UPDATE tasks SET state = ?2, ended_at = CASE WHEN submitted_at > ?3 THEN submitted_at ELSE ?3 END WHERE id = ?1 RETURNING reason",
        )?
        .query_row(params![task_id, state, now], |row| row.get(0))?;
    let detail = serde_json::json!({ "state": state, "reason": reason });
    Event::of("task.end", task_id).append(tx, &detail, now)
}

/// Records a change of a node among the events of its task. A lease is a proof, and never among them.
fn event(
    tx: &Connection,
    kind: &'static str,
    node: &Node,
    mut detail: serde_json::Map<String, Value>,
    now: Timestamp,
) -> sql::Result<()> {
    let mut facts = serde_json::Map::new();
    facts.insert("id".to_owned(), node.id.as_str().into());
    facts.insert("node_id".to_owned(), node.node_id.as_str().into());
    facts.insert("attempt".to_owned(), node.attempts.into());
    facts.append(&mut detail);
    Event {
        agent: node.agent_id.as_ref(),
        run: node.run_id.as_ref(),
        ..Event::of(kind, &node.task_id)
    }
    .append(tx, &Value::Object(facts), now)
}

/// The facts of an event.
fn facts<const N: usize>(pairs: [(&str, Value); N]) -> serde_json::Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
