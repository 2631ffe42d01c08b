//! The only SQL of agent-state. Functions take a connection inside a transaction of their caller.

pub(crate) mod actions;
pub(crate) mod coord;
pub(crate) mod doctor;
pub(crate) mod events;

pub(crate) mod files;
pub(crate) mod import;
pub(crate) mod journal;
pub(crate) mod locks;
#[cfg(test)]
mod model;
pub(crate) mod names;
pub(crate) mod prune;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod tasks;

use common::clock::{self, Timestamp};
use common::fleet::Database;
use common::fleet::agents::{self, Agent, Registration};
use common::fleet::liveness::{Here, Holder};
use common::fleet::runs::{self, Run, RunId, Status};
use common::sql::{self, Connection, OptionalExtension as _, Row};

use crate::error::Error;

/// Why a transaction's work stopped: the database failed, or the answer is no.
#[derive(Debug)]
pub(crate) enum Stop {
    Sql(sql::Error),
    No(Error),
}

impl From<sql::Error> for Stop {
    fn from(error: sql::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::No(error)
    }
}

/// Checks and writes in one transaction, by the clock as it stands once the transaction has begun.
///
/// A "no" commits what was noted before it, as grants that were found expired.
pub(crate) fn write<T>(
    database: &mut Database,
    doing: &'static str,
    change: impl FnOnce(&Connection, Timestamp) -> Result<T, Stop>,
) -> anyhow::Result<T> {
    Ok(database.write(doing, |tx| answer(change(tx, clock::now())))??)
}

/// As [`write()`], without waiting for the disk.
pub(crate) fn note<T>(
    database: &mut Database,
    doing: &'static str,
    change: impl FnOnce(&Connection, Timestamp) -> Result<T, Stop>,
) -> anyhow::Result<T> {
    Ok(database.write_relaxed(doing, |tx| answer(change(tx, clock::now())))??)
}

/// Reads, by the clock as it stands now.
pub(crate) fn read<T>(
    database: &Database,
    doing: &'static str,
    query: impl FnOnce(&Connection, Timestamp) -> Result<T, Stop>,
) -> anyhow::Result<T> {
    Ok(database.read(doing, |connection| answer(query(connection, clock::now())))??)
}

/// A "no" is an answer, and only a failure of the database undoes the transaction.
fn answer<T>(result: Result<T, Stop>) -> sql::Result<Result<T, Error>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::No(no)) => Ok(Err(no)),
        Err(Stop::Sql(error)) => Err(error),
    }
}

/// The agent with this name or id, or the "no" that says there is none.
pub(crate) fn agent(connection: &Connection, name_or_id: &str) -> Result<Agent, Stop> {
    agents::find(connection, name_or_id)?
        .ok_or_else(|| Error::NoAgent { name: name_or_id.to_owned() }.into())
}

/// Registers an agent, or sets what `registration` says of a known one.
///
/// The id of one agent is no name for another: whoever was named by it would be somebody else from then on.
pub(crate) fn register(
    tx: &Connection,
    name: &str,
    registration: &Registration,
    now: Timestamp,
) -> Result<Agent, Stop> {
    match agents::find(tx, name)? {
        Some(Agent { name: agent, .. }) if agent != name => {
            Err(Error::NameIsId { name: name.to_owned(), agent }.into())
        }
        _ => Ok(agents::register(tx, name, registration, now)?.0),
    }
}

/// The run with this id, or the "no" that says there is none.
pub(crate) fn run(connection: &Connection, run_id: &str) -> Result<Run, Stop> {
    runs::get(connection, run_id)?.ok_or_else(|| Error::NoRun { run_id: run_id.to_owned() }.into())
}

/// The run of an outer `exec`, when it is a run of this agent.
pub(crate) fn outer_run_of(
    connection: &Connection,
    outer: Option<&RunId>,
    agent: &Agent,
) -> sql::Result<Option<RunId>> {
    let Some(outer) = outer else { return Ok(None) };
    let run = runs::get(connection, outer.as_str())?;
    Ok(run.filter(|run| run.agent_id.as_ref() == Some(&agent.agent_id)).map(|run| run.run_id))
}

/// Refuses to bind anything to a run that is over: it would end as it begins, and its "yes" be worth nothing.
fn must_go_on(
    connection: &Connection,
    run_id: Option<&RunId>,
    here: &Here,
    now: Timestamp,
) -> Result<(), Stop> {
    let Some(run_id) = run_id else { return Ok(()) };
    let run = run(connection, run_id.as_str())?.as_seen(here, now);
    if run.status == Status::Running {
        return Ok(());
    }
    Err(Error::RunEnded { run: Box::new(run) }.into())
}

/// Whether a run is running; `None` where there is no run to ask about.
fn is_running(
    connection: &Connection,
    run: Option<&RunId>,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Option<bool>> {
    let Some(run) = run else { return Ok(None) };
    let run = runs::get(connection, run.as_str())?;
    Ok(Some(run.is_some_and(|run| run.as_seen(here, now).status == Status::Running)))
}

/// The process in the five columns from `first` on: host, boot, pid space, pid, start.
fn holder_from_row(row: &Row<'_>, first: usize) -> sql::Result<Option<Holder>> {
    let Some(pid) = row.get(first + 3)? else { return Ok(None) };
    Ok(Some(Holder {
        host: row.get(first)?,
        boot_id: row.get(first + 1)?,
        pid_space: row.get(first + 2)?,
        pid,
        pid_started: row.get(first + 4)?,
    }))
}

/// The next number of a counter that never goes back.
fn next(tx: &Connection, name: &str) -> sql::Result<i64> {
    let next = counter(tx, name)?.unwrap_or(0) + 1;
    set_counter(tx, name, next)?;
    Ok(next)
}

fn counter(connection: &Connection, name: &str) -> sql::Result<Option<i64>> {
    connection
        .query_row("SELECT value FROM counters WHERE name = ?1", [name], |row| row.get(0))
        .optional()
}

fn set_counter(tx: &Connection, name: &str, value: i64) -> sql::Result<()> {
    tx.send(
        "INSERT INTO counters (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
        sql::params![name, value],
    )?;
    Ok(())
}
