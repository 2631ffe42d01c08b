//! Takes a graph in, whole or not at all.

use common::clock::Timestamp;
use common::fleet::events::Event;
use common::fleet::new_id;
use common::fleet::runs::RunId;
use common::sql::{self, Connection, params};
use serde_json::json;

use super::{Stop, find_task, task};
use crate::error::Error;
use crate::task::graph::{Graph, Plan};
use crate::task::{State, Task};
use crate::value::Json;

/// Stores a graph as an open task. A name has one open task at most.
pub(crate) fn submit(
    tx: &Connection,
    graph: &Graph,
    name: Option<&str>,
    run: Option<&RunId>,
    now: Timestamp,
) -> Result<Task, Stop> {
    if let Some(name) = name
        && let Some(open) = find_task(tx, name)?.filter(|task| task.state == State::Running)
        && open.name.as_deref() == Some(name)
    {
        return Err(Error::TaskExists { task: Box::new(open) }.into());
    }
    let task_id = new_id();
    let n_nodes = i64::try_from(graph.nodes.len()).unwrap_or(i64::MAX);
    tx.send(
        "INSERT INTO tasks (id, name, state, run_id, submitted_at, changed_at, n_nodes, n_pending, n_running,
                            n_completed, n_failed, n_blocked)
         VALUES (?1, ?2, 'running', ?3, ?4, ?4, ?5, ?5, 0, 0, 0, 0)",
        params![task_id, name, run, now, n_nodes],
    )?;
    tx.send(
        "INSERT INTO task_texts (task_id, goal, context) VALUES (?1, ?2, ?3)",
        params![
            task_id,
            graph.goal.as_ref().map(Json::as_str),
            graph.context.as_ref().map(Json::as_str)
        ],
    )?;
    insert_nodes(tx, &task_id, &graph.nodes)?;
    Event { run, ..Event::of("task.submit", &task_id) }.append(
        tx,
        &json!({ "name": name, "nodes": n_nodes }),
        now,
    )?;
    task(tx, &task_id)
}

fn insert_nodes(tx: &Connection, task_id: &str, nodes: &[Plan]) -> sql::Result<()> {
    let first: i64 =
        tx.query_row("SELECT coalesce(max(seq), 0) + 1 FROM task_nodes", [], |row| row.get(0))?;
    let seq = |place: usize| first.saturating_add(i64::try_from(place).unwrap_or(i64::MAX));
    let mut node = tx.prepare(
        "INSERT INTO task_nodes (seq, node_id, task_id, id, state, n_waiting, attempts, max_attempts)
         VALUES (?1, ?2, ?3, ?4, 'pending', ?5, 0, ?6)",
    )?;
    let mut value = tx.prepare("INSERT INTO task_values (node, payload) VALUES (?1, ?2)")?;
    for (place, plan) in nodes.iter().enumerate() {
        let n_waiting = i64::try_from(plan.after.len()).unwrap_or(i64::MAX);
        let id = plan.id.as_str();
        node.send(params![seq(place), new_id(), task_id, id, n_waiting, plan.max_attempts])?;
        if let Some(payload) = &plan.payload {
            value.send(params![seq(place), payload.as_str()])?;
        }
    }
    // Behind the nodes, since a node may stand before those that it comes after.
    let mut edge = tx.prepare("INSERT INTO task_edges (node, after) VALUES (?1, ?2)")?;
    for (place, plan) in nodes.iter().enumerate() {
        for above in &plan.after {
            edge.send([seq(place), seq(*above)])?;
        }
    }
    Ok(())
}
