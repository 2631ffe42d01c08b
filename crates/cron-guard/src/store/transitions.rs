//! The audit of transitions: one row here and one event, in the transaction of the change.

use common::clock::Timestamp;
use common::fleet::events::Event;
use common::sql::{self, Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::json;

use super::holds::Scope;

/// One change of a job's state, or one decision of a person about it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Transition {
    pub(crate) at: Timestamp,
    pub(crate) job: String,
    /// What happened, as `trip` or `resume`.
    pub(crate) kind: String,
    #[serde(rename = "from")]
    pub(crate) before: String,
    #[serde(rename = "to")]
    pub(crate) after: String,
    pub(crate) epoch: i64,
    /// Who: the guard, or a user with the process and the terminal.
    pub(crate) actor: String,
    pub(crate) reason: Option<String>,
    pub(crate) run_id: Option<String>,
}

/// Appends a transition and its event.
pub(crate) fn append(tx: &Connection, new: &Transition) -> sql::Result<()> {
    tx.send(
        "INSERT INTO guard_transitions (job, at, kind, before, after, epoch, actor, reason, run_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            new.job, new.at, new.kind, new.before, new.after, new.epoch, new.actor, new.reason,
            new.run_id
        ],
    )?;
    let detail = json!({
        "kind": new.kind, "from": new.before, "to": new.after, "epoch": new.epoch,
        "actor": new.actor, "reason": new.reason, "run_id": new.run_id,
    });
    Event::of("guard.transition", &new.job).append(tx, &detail, new.at)
}

fn from_row(row: &Row<'_>) -> sql::Result<Transition> {
    Ok(Transition {
        job: row.get(0)?,
        at: row.get(1)?,
        kind: row.get(2)?,
        before: row.get(3)?,
        after: row.get(4)?,
        epoch: row.get(5)?,
        actor: row.get(6)?,
        reason: row.get(7)?,
        run_id: row.get(8)?,
    })
}

const SELECT: &str =
    "SELECT job, at, kind, before, after, epoch, actor, reason, run_id, id FROM guard_transitions";

/// The last transitions of a job and the orders about its labels and about all jobs, newest first.
pub(crate) fn concerning(
    connection: &Connection,
    job: &str,
    labels: &[String],
    limit: u32,
) -> sql::Result<Vec<Transition>> {
    let scopes = labels.iter().map(|label| Scope::Label(label.clone())).chain([Scope::All]);
    let mut subjects: Vec<String> = scopes.map(|scope| scope.to_string()).collect();
    subjects.push(job.to_owned());
    let mut found: Vec<(i64, Transition)> = Vec::new();
    let mut statement =
        connection.prepare(&format!("{SELECT} WHERE job = ?1 ORDER BY id DESC LIMIT ?2"))?;
    for subject in subjects {
        let rows = statement
            .query_map(params![subject, limit], |row| Ok((row.get(9)?, from_row(row)?)))?;
        for row in rows {
            found.push(row?);
        }
    }
    found.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found.into_iter().map(|(_, transition)| transition).collect())
}

/// The last edit of a declaration that let a blocked job run, since `since`.
pub(crate) fn unblocked_by(
    connection: &Connection,
    job: &str,
    since: Timestamp,
) -> sql::Result<Option<Transition>> {
    connection
        .query_row(
            &format!(
                "{SELECT} WHERE job = ?1 AND at >= ?2 AND kind IN ('job_add', 'job_edit', 'job_remove')
                    AND before <> '' ORDER BY id DESC LIMIT 1"
            ),
            params![job, since],
            from_row,
        )
        .optional()
}

/// All transitions from `since` on, oldest first.
pub(crate) fn since(connection: &Connection, since: Timestamp) -> sql::Result<Vec<Transition>> {
    connection
        .prepare(&format!("{SELECT} WHERE at >= ?1 ORDER BY at, id"))?
        .query_map([since], from_row)?
        .collect()
}
