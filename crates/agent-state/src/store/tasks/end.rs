//! How an attempt at a node ends, and what that means for the nodes below and for the task.

use common::clock::Timestamp;
use common::fleet::events::Event;
use common::fleet::liveness::Here;
use common::sql::{self, Connection, OptionalExtension as _, params};
use serde_json::json;

use super::lease::{stale, under_lease};
use super::{Stop, count, event, facts, node, node_at, settle, task};
use crate::error::Error;
use crate::task::{CANCELED, Node, SAID_SO, State, Task, cause};
use crate::value::Json;

/// How an agent says that its attempt ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome<'a> {
    Done(Option<&'a Json>),
    Failed {
        error: Option<&'a str>,
        /// It may be given out again, while it has attempts left.
        retry: bool,
    },
}

/// Records how an attempt ended, for who holds the lease. Returns the node, and whether this changed it.
///
/// Who did not hear the answer may say the same again, with the same lease: that changes nothing.
pub(crate) fn end(
    tx: &Connection,
    named: &str,
    lease_id: &str,
    outcome: Outcome<'_>,
    here: &Here,
    now: Timestamp,
) -> Result<(Node, bool), Stop> {
    let known = node(tx, named)?;
    if known.lease_id.as_deref() == Some(lease_id) {
        match (known.state, outcome) {
            (State::Completed, Outcome::Done(result)) => {
                return if result_of(tx, known.seq)?.as_ref() == result {
                    Ok((known, false))
                } else {
                    Err(Error::OtherResult { node: Box::new(known) }.into())
                };
            }
            (State::Failed, Outcome::Failed { .. }) => return Ok((known, false)),
            (State::Running, _) => {}
            _ => return Err(stale(tx, known.seq)?),
        }
    }
    let node = under_lease(tx, named, lease_id, here, now)?;
    match outcome {
        Outcome::Done(result) => {
            event(tx, "task.done", &node, facts([]), now)?;
            complete(tx, &node, result, now)?;
        }
        Outcome::Failed { error, retry } => {
            let retry = retry && node.after_attempt() == State::Pending;
            let detail = facts([("error", json!(error)), ("retry", json!(retry))]);
            event(tx, "task.fail", &node, detail, now)?;
            if retry {
                put_back(tx, &node, Some(SAID_SO), error, now)?;
            } else {
                fail(tx, &node, SAID_SO, error, now)?;
            }
        }
    }
    Ok((node_at(tx, node.seq)?, true))
}

/// Gives a node back whose attempt has not begun, so that it does not count.
pub(crate) fn give_back(
    tx: &Connection,
    node: &Node,
    here: &Here,
    now: Timestamp,
) -> Result<(), Stop> {
    let lease_id = node.lease_id.as_deref().unwrap_or_default();
    let node = under_lease(tx, &node.node_id, lease_id, here, now)?;
    event(tx, "task.return", &node, facts([]), now)?;
    tx.send("UPDATE task_nodes SET attempts = attempts - 1 WHERE seq = ?1", [node.seq])?;
    Ok(put_back(tx, &node, Some("not started"), None, now)?)
}

fn result_of(tx: &Connection, seq: i64) -> sql::Result<Option<Json>> {
    let result: Option<Option<String>> = tx
        .query_row("SELECT result FROM task_values WHERE node = ?1", [seq], |row| row.get(0))
        .optional()?;
    Ok(result.flatten().map(Json::from))
}

/// Notes what came of a node; an error of a former attempt goes.
fn set_values(
    tx: &Connection,
    seq: i64,
    result: Option<&Json>,
    error: Option<&str>,
) -> sql::Result<()> {
    if result.is_none() && error.is_none() {
        // A node that has nothing to say gets no row, and its payload is not written again.
        tx.prepare("UPDATE task_values SET error = NULL WHERE node = ?1 AND error IS NOT NULL")?
            .send([seq])?;
    } else {
        tx.prepare(
            "INSERT INTO task_values (node, result, error) VALUES (?1, ?2, ?3)
             ON CONFLICT (node) DO UPDATE SET result = ?2, error = ?3",
        )?
        .send(params![seq, result.map(Json::as_str), error])?;
    }
    Ok(())
}

fn complete(
    tx: &Connection,
    node: &Node,
    result: Option<&Json>,
    now: Timestamp,
) -> sql::Result<()> {
    tx.prepare(
        "UPDATE task_nodes SET state = 'completed', ended_at = CASE WHEN leased_at > ?2 THEN leased_at ELSE ?2 END, reason = NULL, host = NULL,
                boot_id = NULL, pid_space = NULL, pid = NULL, pid_started = NULL
          WHERE seq = ?1",
    )?
    .send(params![node.seq, now])?;
    set_values(tx, node.seq, result, None)?;
    tx.prepare(
        "UPDATE task_nodes SET n_waiting = n_waiting - 1
          WHERE seq IN (SELECT node FROM task_edges WHERE after = ?1)",
    )?
    .send([node.seq])?;
    count(tx, &node.task_id, (State::Running, State::Completed), 1, now)?;
    settle(tx, &node.task_id, now)
}

/// Puts a node back, to be given out again.
pub(super) fn put_back(
    tx: &Connection,
    node: &Node,
    reason: Option<&str>,
    error: Option<&str>,
    now: Timestamp,
) -> sql::Result<()> {
    tx.prepare(
        "UPDATE task_nodes SET state = 'pending', reason = ?2, lease_id = CASE WHEN ?3 = 1 THEN lease_id END,
                lease_until = NULL, host = NULL, boot_id = NULL, pid_space = NULL, pid = NULL, pid_started = NULL
          WHERE seq = ?1",
    )?
    .send(params![node.seq, reason, reason == Some(SAID_SO)])?;
    set_values(tx, node.seq, None, error)?;
    count(tx, &node.task_id, (State::Running, State::Pending), 1, now)
}

/// Fails a node for good, blocks what comes after it, and names the cause.
pub(super) fn fail(
    tx: &Connection,
    node: &Node,
    reason: &str,
    error: Option<&str>,
    now: Timestamp,
) -> sql::Result<()> {
    // The lease stays with those who said so themselves; one that lapsed proves nothing any more.
    tx.prepare(
        "UPDATE task_nodes SET state = 'failed', ended_at = CASE WHEN leased_at > ?2 THEN leased_at ELSE ?2 END, reason = ?3,
                lease_id = CASE WHEN ?4 = 1 THEN lease_id END, host = NULL, boot_id = NULL, pid_space = NULL, pid = NULL,
                pid_started = NULL
          WHERE seq = ?1",
    )?
    .send(params![node.seq, now, reason, reason == SAID_SO])?;
    set_values(tx, node.seq, None, error)?;
    count(tx, &node.task_id, (State::Running, State::Failed), 1, now)?;
    // What is blocked already has everything below it blocked, so the way down ends there.
    let n_blocked = tx
        .prepare(
            "WITH RECURSIVE below (node) AS (
                 SELECT e.node FROM task_edges e JOIN task_nodes n ON n.seq = e.node
                  WHERE e.after = ?1 AND n.state = 'pending'
                 UNION
                 SELECT e.node FROM below b JOIN task_edges e ON e.after = b.node
                        JOIN task_nodes n ON n.seq = e.node
                  WHERE n.state = 'pending')
             UPDATE task_nodes SET state = 'blocked', blocked_by = ?1 WHERE seq IN (SELECT node FROM below)",
        )?
        .execute([node.seq])?;
    if n_blocked > 0 {
        count(tx, &node.task_id, (State::Pending, State::Blocked), n_blocked, now)?;
    }
    tx.send(
        "UPDATE tasks SET reason = coalesce(reason, ?2) WHERE id = ?1",
        params![node.task_id, cause(&node.id, Some(reason), error, node.attempts)],
    )?;
    settle(tx, &node.task_id, now)
}

/// Ends a task that is open: what runs loses its lease, and what waits is given out no more.
pub(crate) fn cancel(tx: &Connection, named: &str, now: Timestamp) -> Result<Task, Stop> {
    let open = task(tx, named)?;
    if open.state != State::Running {
        return Err(Error::TaskEnded { task: Box::new(open) }.into());
    }
    for (from, word) in [(State::Running, "running"), (State::Pending, "pending")] {
        let n_nodes = tx.execute(
            &format!(
                "UPDATE task_nodes SET state = 'failed', reason = ?2, ended_at = CASE WHEN leased_at > ?3 THEN leased_at ELSE ?3 END,
                        lease_id = NULL, host = NULL, boot_id = NULL, pid_space = NULL, pid = NULL, pid_started = NULL
                  WHERE task_id = ?1 AND state = '{word}'"
            ),
            params![open.task_id, CANCELED, now],
        )?;
        count(tx, &open.task_id, (from, State::Failed), n_nodes, now)?;
    }
    tx.send(
        "UPDATE tasks SET reason = coalesce(?2 || '; ' || reason, ?2) WHERE id = ?1",
        params![open.task_id, CANCELED],
    )?;
    Event::of("task.cancel", &open.task_id).append(
        tx,
        &json!({ "running": open.counts.running, "pending": open.counts.pending }),
        now,
    )?;
    settle(tx, &open.task_id, now)?;
    task(tx, &open.task_id)
}
