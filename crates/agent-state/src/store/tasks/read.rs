//! Tasks as a reader sees them: an attempt that has ended by itself is shown as ended, recorded or not.

use std::collections::{BTreeMap, HashMap};

use common::clock::Timestamp;
use common::fleet::liveness::Here;
use common::sql::{self, Connection, OptionalExtension as _, params};
use serde::Serialize;

use super::lease::{Dependency, dependencies};
use super::{SELECT_TASK, Stop, lapse_of, node, nodes_where, task, task_from_row};
use crate::lock::Lapse;
use crate::task::{Node, State, Task, View};
use crate::value::Json;

/// The nodes whose attempt has ended by itself and that nobody has taken back yet.
pub(crate) fn lapsed(
    connection: &Connection,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Vec<(Node, Lapse)>> {
    let mut lapsed = Vec::new();
    for node in nodes_where(connection, "n.state = 'running'", &[])? {
        if let Some(lapse) = lapse_of(connection, &node, here, now)? {
            lapsed.push((node, lapse));
        }
    }
    Ok(lapsed)
}

/// How many nodes somebody works on.
pub(crate) fn at_work(connection: &Connection, here: &Here, now: Timestamp) -> sql::Result<usize> {
    let n_lapsed = lapsed(connection, here, now)?.len();
    Ok(nodes_where(connection, "n.state = 'running'", &[])?.len().saturating_sub(n_lapsed))
}

/// A task with all its nodes.
pub(crate) fn view(
    connection: &Connection,
    named: &str,
    here: &Here,
    now: Timestamp,
) -> Result<View, Stop> {
    let task = task(connection, named)?;
    Ok(view_of(connection, task, here, now)?)
}

fn view_of(connection: &Connection, task: Task, here: &Here, now: Timestamp) -> sql::Result<View> {
    let nodes = nodes_where(connection, "n.task_id = ?1 ORDER BY n.seq", &[&task.task_id])?;
    let places: HashMap<i64, usize> =
        nodes.iter().enumerate().map(|(place, node)| (node.seq, place)).collect();
    let mut after = vec![Vec::new(); nodes.len()];
    let mut statement = connection.prepare(
        "SELECT e.node, e.after FROM task_nodes n JOIN task_edges e ON e.node = n.seq
          WHERE n.task_id = ?1 ORDER BY e.node, e.after",
    )?;
    let mut rows = statement.query([&task.task_id])?;
    while let Some(row) = rows.next()? {
        if let (Some(node), Some(above)) = (places.get(&row.get(0)?), places.get(&row.get(1)?))
            && let Some(after) = after.get_mut(*node)
        {
            after.push(*above);
        }
    }
    let mut lapses = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        if let Some(lapse) = lapse_of(connection, node, here, now)? {
            lapses.push((place, lapse));
        }
    }
    Ok(View { task, nodes, after }.seen(&lapses))
}

/// A node with its texts.
#[derive(Debug, Serialize)]
pub(crate) struct Details {
    #[serde(flatten)]
    pub(crate) node: Node,
    /// The name of its task.
    pub(crate) task: Option<String>,
    pub(crate) payload: Option<Json>,
    pub(crate) result: Option<Json>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One node, with all that is known of it.
pub(crate) fn details(
    connection: &Connection,
    named: &str,
    here: &Here,
    now: Timestamp,
) -> Result<Details, Stop> {
    let mut node = node(connection, named)?;
    let task = task(connection, &node.task_id)?;
    let name = task.name.clone();
    let is_open = matches!(node.state, State::Pending | State::Running);
    // Only what lapsed and was not taken back makes a node stand elsewhere than its row says.
    if is_open
        && lapsed(connection, here, now)?.iter().any(|(lapsed, _)| lapsed.task_id == node.task_id)
    {
        let seq = node.seq;
        let view = view_of(connection, task, here, now)?;
        node = view.nodes.into_iter().find(|node| node.seq == seq).unwrap_or(node);
    }
    let (payload, result) = connection
        .query_row("SELECT payload, result FROM task_values WHERE node = ?1", [node.seq], |row| {
            let json =
                |column| Ok::<_, sql::Error>(row.get::<Option<String>>(column)?.map(Json::from));
            Ok((json(0)?, json(1)?))
        })
        .optional()?
        .unwrap_or_default();
    let dependencies = dependencies(connection, node.seq)?;
    Ok(Details { node, task: name, payload, result, dependencies })
}

/// Tasks, newest first.
pub(crate) fn list(
    connection: &Connection,
    state: Option<State>,
    limit: u32,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Vec<Task>> {
    let mut seen = BTreeMap::new();
    for (node, _) in lapsed(connection, here, now)? {
        if !seen.contains_key(&node.task_id)
            && let Some(task) = super::find_task(connection, &node.task_id)?
        {
            seen.insert(node.task_id, view_of(connection, task, here, now)?.task);
        }
    }
    // What has ended in truth can still stand as running.
    let clause = match state {
        None => "1 = 1".to_owned(),
        Some(State::Running) => "t.state = 'running'".to_owned(),
        Some(state) => format!("t.state IN ('running', '{}')", state.as_str()),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut statement =
        connection.prepare(&format!("{SELECT_TASK} WHERE {clause} ORDER BY t.id DESC"))?;
    let mut rows = statement.query([])?;
    let mut tasks = Vec::new();
    while let Some(row) = rows.next()?
        && tasks.len() < limit
    {
        let task = task_from_row(&row)?;
        let task = seen.remove(&task.task_id).unwrap_or(task);
        if state.is_none_or(|state| state == task.state) {
            tasks.push(task);
        }
    }
    Ok(tasks)
}

/// Open tasks with something to do that nobody has touched since this moment.
pub(crate) fn waiting_since(connection: &Connection, since: Timestamp) -> sql::Result<Vec<Task>> {
    connection
        .prepare(&format!(
            "{SELECT_TASK} WHERE t.state = 'running' AND t.n_running = 0 AND t.changed_at < ?1 ORDER BY t.id"
        ))?
        .query_map(params![since], task_from_row)?
        .collect()
}

/// Names of tasks for completions, the ids of those without one; the newest first.
pub(crate) fn names(connection: &Connection, limit: u32) -> sql::Result<Vec<String>> {
    connection
        .prepare("SELECT coalesce(name, id) FROM tasks ORDER BY id DESC LIMIT ?1")?
        .query_map([limit], |row| row.get(0))?
        .collect()
}
