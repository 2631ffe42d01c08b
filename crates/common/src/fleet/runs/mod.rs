//! The run journal: one row for each run, finished once, found interrupted when its process is gone.
//!
//! A run belongs to whoever opened it. An inner `exec` adopts the run of an outer one, so that a line
//! of several tools has one row. Nothing here decides whether a job may run.

mod model;

use crate::sql::{self, Connection, OptionalExtension as _, Row, params};
use serde_json::{Value, json};

use super::agents::{self, AgentId};
use super::events::Event;
use super::liveness::{Here, Holder};
use super::new_id;
use crate::clock::Timestamp;
use crate::duration;

pub use model::{Filter, Finished, NewRun, Opened, Outcome, Run, RunId, Status, Verdict};

const SELECT: &str = "SELECT r.id, r.agent_id, a.name, r.job, r.slot, r.status, r.reason, r.started_at, r.finished_at,
        r.heartbeat_at, r.lease_ms, r.lease_until, r.progress, r.exit_code, r.signal, r.summary, r.token_usage,
        r.cost_usd, r.verdict, r.output_path, r.stderr_tail, r.host, r.boot_id, r.pid_space, r.pid, r.pid_started
   FROM runs r LEFT JOIN agents a ON a.id = r.agent_id";

fn from_row(row: &Row<'_>) -> sql::Result<Run> {
    let pid: Option<i64> = row.get(24)?;
    let holder = match pid {
        Some(pid) => Some(Holder {
            host: row.get(21)?,
            boot_id: row.get(22)?,
            pid_space: row.get(23)?,
            pid,
            pid_started: row.get(25)?,
        }),
        None => None,
    };
    Ok(Run {
        run_id: row.get(0)?,
        agent_id: row.get(1)?,
        agent: row.get(2)?,
        job: row.get(3)?,
        slot: row.get(4)?,
        status: row.get(5)?,
        reason: row.get(6)?,
        started_at: row.get(7)?,
        finished_at: row.get(8)?,
        heartbeat_at: row.get(9)?,
        lease_ms: row.get(10)?,
        lease_until: row.get(11)?,
        progress: row.get(12)?,
        exit_code: row.get(13)?,
        signal: row.get(14)?,
        summary: row.get(15)?,
        token_usage: row.get(16)?,
        cost_usd: row.get(17)?,
        verdict: row.get(18)?,
        output_path: row.get(19)?,
        stderr_tail: row.get(20)?,
        holder,
    })
}

/// Opens a run, unless its slot had one.
pub fn open(tx: &Connection, new: &NewRun<'_>, now: Timestamp) -> sql::Result<Opened> {
    if let Some(slot) = new.slot
        && let Some(run) = of_slot(tx, new.job, slot)?
    {
        return Ok(Opened::SlotTaken(Box::new(run)));
    }
    let run = next_id(tx)?;
    let holder = new.holder;
    tx.send(
        "INSERT INTO runs (id, agent_id, job, slot, status, started_at, heartbeat_at, lease_ms, lease_until,
                           output_path, host, boot_id, pid_space, pid, pid_started)
         VALUES (?1, ?2, ?3, ?4, 'running', ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            run,
            new.agent,
            new.job,
            new.slot,
            now,
            duration::millis(new.lease),
            now.plus(new.lease),
            new.output_path,
            holder.map(|holder| &holder.host),
            holder.map(|holder| &holder.boot_id),
            holder.map(|holder| &holder.pid_space),
            holder.map(|holder| holder.pid),
            holder.map(|holder| holder.pid_started),
        ],
    )?;
    if let Some(agent) = new.agent {
        agents::seen(tx, agent, now)?;
    }
    Event { agent: new.agent, run: Some(&run), ..Event::of("run.start", run.as_str()) }.append(
        tx,
        &json!({ "job": new.job, "slot": new.slot }),
        now,
    )?;
    Ok(Opened::New(run))
}

/// A new id that sorts behind every run of the journal, also when the clock went back: readers that
/// remember how far they read must not miss a run.
fn next_id(tx: &Connection) -> sql::Result<RunId> {
    let id = new_id();
    let newest: Option<String> = tx.query_row("SELECT max(id) FROM runs", [], |row| row.get(0))?;
    let next = newest
        .filter(|newest| *newest >= id)
        .and_then(|newest| uuid::Uuid::parse_str(&newest).ok())
        .map(|newest| uuid::Uuid::from_u128(newest.as_u128().saturating_add(1)).to_string());
    Ok(RunId::from(next.unwrap_or(id)))
}

/// The run of a job for a slot.
fn of_slot(connection: &Connection, job: Option<&str>, slot: &str) -> sql::Result<Option<Run>> {
    let of_this = |clause: &str, values: &[&dyn sql::ToSql]| {
        connection
            .query_row(&format!("{SELECT} WHERE r.slot = ?1 AND {clause}"), values, from_row)
            .optional()
    };
    match job {
        Some(job) => of_this("r.job = ?2", &[&slot, &job]),
        None => of_this("r.job IS NULL", &[&slot]),
    }
}

/// Gives a run that was opened without a slot its slot. Returns the run that has it already, if there is one.
pub fn take_slot(tx: &Connection, run: &Run, slot: &str) -> sql::Result<Option<Run>> {
    let taken = of_slot(tx, run.job.as_deref(), slot)?.filter(|taken| taken.run_id != run.run_id);
    if taken.is_none() {
        tx.send(
            "UPDATE runs SET slot = coalesce(slot, ?2) WHERE id = ?1",
            params![run.run_id, slot],
        )?;
    }
    Ok(taken)
}

/// Takes its slot from a run whose command was never started, so that another run can have it.
pub fn leave_slot(tx: &Connection, run: &RunId) -> sql::Result<()> {
    tx.send("UPDATE runs SET slot = NULL WHERE id = ?1", [run])
}

/// Gives the run of an outer `exec` its agent. Returns the run, or `None` when it is not running or is the
/// run of another agent.
pub fn adopt(
    tx: &Connection,
    run: &RunId,
    agent: &AgentId,
    now: Timestamp,
) -> sql::Result<Option<Run>> {
    let n_rows = tx.execute(
        "UPDATE runs SET agent_id = ?2, heartbeat_at = ?3
          WHERE id = ?1 AND status = 'running' AND (agent_id IS NULL OR agent_id = ?2)",
        params![run, agent, now],
    )?;
    if n_rows == 0 {
        return Ok(None);
    }
    agents::seen(tx, agent, now)?;
    Event { agent: Some(agent), run: Some(run), ..Event::of("run.adopt", run.as_str()) }.append(
        tx,
        &Value::Null,
        now,
    )?;
    get(tx, run.as_str())
}

/// Notes a sign of life and renews the lease. Returns whether the run is still running.
///
/// A lease only grows: a clock that went back must not shorten what was promised. What is said of the progress is
/// an event, and a sign of life alone is none: a day of them would fill the record.
pub fn heartbeat(
    tx: &Connection,
    run: &RunId,
    progress: Option<&str>,
    now: Timestamp,
) -> sql::Result<bool> {
    let beaten = tx.query_row(
        "UPDATE runs SET heartbeat_at = ?2, lease_until = CASE WHEN lease_until > ?2 + lease_ms THEN lease_until ELSE ?2 + lease_ms END,
                progress = coalesce(?3, progress)
          WHERE id = ?1 AND status = 'running' RETURNING agent_id",
        params![run, now, progress],
        |row| row.get::<Option<AgentId>>(0),
    );
    let Some(agent) = beaten.optional()? else { return Ok(false) };
    if let Some(progress) = progress {
        let event = Event::of("run.progress", run.as_str());
        Event { agent: agent.as_ref(), run: Some(run), ..event }.append(
            tx,
            &json!({ "progress": progress }),
            now,
        )?;
    }
    Ok(true)
}

/// Finishes a run, once.
pub fn finish(
    tx: &Connection,
    run: &RunId,
    outcome: &Outcome,
    now: Timestamp,
) -> sql::Result<Finished> {
    let status = outcome.resolved();
    let agent = tx.query_row(
        "UPDATE runs SET status = ?2, reason = ?3, finished_at = CASE WHEN started_at > ?4 THEN started_at ELSE ?4 END, exit_code = ?5, signal = ?6,
                summary = coalesce(?7, summary), token_usage = coalesce(?8, token_usage),
                cost_usd = coalesce(?9, cost_usd), verdict = coalesce(?10, verdict), stderr_tail = ?11
          WHERE id = ?1 AND status = 'running' RETURNING agent_id",
        params![
            run,
            status,
            outcome.reason,
            now,
            outcome.exit_code,
            outcome.signal,
            outcome.summary,
            outcome.token_usage,
            outcome.cost_usd,
            outcome.verdict,
            outcome.stderr_tail,
        ],
        |row| row.get::<Option<AgentId>>(0),
    );
    let Some(agent) = agent.optional()? else {
        return Ok(match get(tx, run.as_str())? {
            Some(run) => Finished::Already(Box::new(run)),
            None => Finished::Unknown,
        });
    };
    if let Some(agent) = &agent {
        agents::seen(tx, agent, now)?;
    }
    tell_finished(tx, run, agent.as_ref(), outcome, now)?;
    Ok(Finished::Done(status))
}

fn tell_finished(
    tx: &Connection,
    run: &RunId,
    agent: Option<&AgentId>,
    outcome: &Outcome,
    now: Timestamp,
) -> sql::Result<()> {
    let detail = json!({
        "status": outcome.resolved(), "reason": outcome.reason, "exit_code": outcome.exit_code,
    });
    Event { agent, run: Some(run), ..Event::of("run.finish", run.as_str()) }
        .append(tx, &detail, now)
}

/// Finishes a run as the outer `exec` that opened it, which has the last word: where an inner `exec` that
/// adopted it has recorded another end, this one replaces it. What somebody said of the result stays.
pub fn conclude(
    tx: &Connection,
    run: &RunId,
    outcome: &Outcome,
    now: Timestamp,
) -> sql::Result<Finished> {
    let row = match finish(tx, run, outcome, now)? {
        Finished::Already(row) => row,
        finished => return Ok(finished),
    };
    let status = outcome.resolved();
    if row.status == status && (row.reason.is_some() || outcome.reason.is_none())
        || row.was_told(status)
    {
        return Ok(Finished::Already(row));
    }
    tx.execute(
        "UPDATE runs SET status = ?2, reason = ?3, finished_at = CASE WHEN started_at > ?4 THEN started_at ELSE ?4 END,
                exit_code = ?5, signal = ?6, stderr_tail = coalesce(?7, stderr_tail)
          WHERE id = ?1",
        params![
            run,
            status,
            outcome.reason,
            now,
            outcome.exit_code,
            outcome.signal,
            outcome.stderr_tail,
        ],
    )?;
    tell_finished(tx, run, row.agent_id.as_ref(), outcome, now)?;
    Ok(Finished::Done(status))
}

/// Records every running row whose process is gone as interrupted, and returns those.
pub fn reap(tx: &Connection, here: &Here, now: Timestamp) -> sql::Result<Vec<Run>> {
    let mut reaped = Vec::new();
    for run in with_status(tx, Status::Running)? {
        let seen = run.as_seen(here, now);
        if seen.status == Status::Interrupted {
            let outcome = Outcome {
                status: Some(Status::Interrupted),
                reason: seen.reason.clone(),
                ..Outcome::default()
            };
            finish(tx, &seen.run_id, &outcome, now)?;
            reaped.push(seen);
        }
    }
    Ok(reaped)
}

/// The run with this id.
pub fn get(connection: &Connection, run: &str) -> sql::Result<Option<Run>> {
    connection.query_row(&format!("{SELECT} WHERE r.id = ?1"), [run], from_row).optional()
}

/// All runs that have this status, oldest first; meant for running ones, which are few.
pub fn with_status(connection: &Connection, status: Status) -> sql::Result<Vec<Run>> {
    connection
        .prepare(&format!("{SELECT} WHERE r.status = ?1 ORDER BY r.id"))?
        .query_map([status], from_row)?
        .collect()
}

/// The newest runs of a job, newest first.
pub fn of_job(connection: &Connection, job: &str, limit: u32) -> sql::Result<Vec<Run>> {
    connection
        .prepare(&format!("{SELECT} WHERE r.job = ?1 ORDER BY r.id DESC LIMIT ?2"))?
        .query_map(params![job, limit], from_row)?
        .collect()
}

/// The newest runs of a job that were started after the run `after`, oldest first; all of them when
/// `after` is empty.
pub fn of_job_after(
    connection: &Connection,
    job: &str,
    after: &str,
    limit: u32,
) -> sql::Result<Vec<Run>> {
    let mut newest: Vec<Run> = connection
        .prepare(&format!("{SELECT} WHERE r.job = ?1 AND r.id > ?2 ORDER BY r.id DESC LIMIT ?3"))?
        .query_map(params![job, after, limit], from_row)?
        .collect::<sql::Result<_>>()?;
    newest.reverse();
    Ok(newest)
}

/// Runs that pass the filter, newest first, handed to `take` until it returns false.
pub fn list(
    connection: &Connection,
    filter: &Filter,
    mut take: impl FnMut(Run) -> bool,
) -> sql::Result<()> {
    let mut clauses = vec!["1 = 1"];
    let mut values: Vec<&dyn sql::ToSql> = Vec::new();
    if let Some(agent) = &filter.agent {
        clauses.push("r.agent_id = ?");
        values.push(agent);
    }
    if let Some(job) = &filter.job {
        clauses.push("r.job = ?");
        values.push(job);
    }
    if let Some(since) = &filter.since {
        clauses.push("r.started_at >= ?");
        values.push(since);
    }
    // By the index that finds the few recent ones among many old ones.
    let order = if filter.since.is_some() { "r.started_at DESC, r.id DESC" } else { "r.id DESC" };
    match &filter.status {
        Some(Status::Interrupted) => clauses.push("r.status IN ('interrupted', 'running')"),
        Some(status) => {
            clauses.push("r.status = ?");
            values.push(status);
        }
        None => {}
    }
    let mut statement = connection
        .prepare(&format!("{SELECT} WHERE {} ORDER BY {order}", clauses.join(" AND ")))?;
    let mut rows = statement.query(values.as_slice())?;
    while let Some(row) = rows.next()? {
        if !take(from_row(&row)?) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
