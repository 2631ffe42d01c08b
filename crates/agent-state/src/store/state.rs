//! Versioned values: compare-and-swap, history, deletion that keeps counting.

use common::clock::Timestamp;
use common::fleet::agents::{Agent, AgentId};
use common::fleet::events::Event;
use common::fleet::runs::RunId;
use common::sql::{self, Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::json;

use super::Stop;
use crate::error::Error;
use crate::value::Json;

/// How many versions of a key are kept, the current one included.
pub(crate) const KEPT_VERSIONS: i64 = 20;

/// One version of one value.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Version {
    pub(crate) key: String,
    #[serde(rename = "version")]
    pub(crate) number: i64,
    /// `None` where the key was deleted.
    pub(crate) value: Option<Json>,
    pub(crate) run_id: Option<RunId>,
    pub(crate) updated_at: Timestamp,
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing.
    Always,
    /// The current version is this one.
    Version(i64),
    /// There is no value.
    Absent,
}

const COLUMNS: &str = "key, version, value, run_id, written_at";

fn from_row(row: &Row<'_>) -> sql::Result<Version> {
    Ok(Version {
        key: row.get(0)?,
        number: row.get(1)?,
        value: row.get::<Option<String>>(2)?.map(Json::from),
        run_id: row.get(3)?,
        updated_at: row.get(4)?,
    })
}

/// The newest version of a key, deleted or not.
fn newest(connection: &Connection, agent: &AgentId, key: &str) -> sql::Result<Option<Version>> {
    connection
        .query_row(
            &format!(
                "SELECT {COLUMNS} FROM state WHERE agent_id = ?1 AND key = ?2 ORDER BY version DESC LIMIT 1"
            ),
            params![agent, key],
            from_row,
        )
        .optional()
}

fn no_value(agent: &Agent, key: &str) -> Stop {
    Error::NoValue { agent: agent.name.clone(), key: key.to_owned() }.into()
}

/// The current value of a key.
pub(crate) fn get(connection: &Connection, agent: &Agent, key: &str) -> Result<Version, Stop> {
    newest(connection, &agent.agent_id, key)?
        .filter(|version| version.value.is_some())
        .ok_or_else(|| no_value(agent, key))
}

/// The version that a write under `condition` may follow, or the "no".
fn check(
    connection: &Connection,
    agent: &Agent,
    key: &str,
    condition: Condition,
) -> Result<i64, Stop> {
    let newest = newest(connection, &agent.agent_id, key)?;
    let last = newest.as_ref().map_or(0, |version| version.number);
    let current = newest.filter(|version| version.value.is_some()).map(|version| version.number);
    let (name, key) = (agent.name.clone(), key.to_owned());
    match (condition, current) {
        (Condition::Version(expected), None) if expected != 0 => {
            Err(Error::VersionDiffers { agent: name, key, expected, current: 0 }.into())
        }
        (Condition::Version(expected), Some(current)) if expected != current => {
            Err(Error::VersionDiffers { agent: name, key, expected, current }.into())
        }
        (Condition::Absent, Some(current)) => {
            Err(Error::ValueExists { agent: name, key, current }.into())
        }
        _ => Ok(last),
    }
}

/// Writes one more version. Returns its number.
pub(crate) fn set(
    tx: &Connection,
    agent: &Agent,
    key: &str,
    value: Option<&Json>,
    condition: Condition,
    run: Option<&RunId>,
    now: Timestamp,
) -> Result<i64, Stop> {
    let version = check(tx, agent, key, condition)? + 1;
    tx.send(
        "INSERT INTO state (agent_id, key, version, value, run_id, written_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![agent.agent_id, key, version, value.map(Json::as_str), run, now],
    )?;
    tx.send(
        "DELETE FROM state WHERE agent_id = ?1 AND key = ?2 AND version <= ?3",
        params![agent.agent_id, key, version - KEPT_VERSIONS],
    )?;
    let kind = if value.is_some() { "state.set" } else { "state.delete" };
    Event { agent: Some(&agent.agent_id), run, ..Event::of(kind, key) }.append(
        tx,
        &json!({ "version": version }),
        now,
    )?;
    Ok(version)
}

/// Deletes a value; its history stays. Returns the version that says so.
pub(crate) fn delete(
    tx: &Connection,
    agent: &Agent,
    key: &str,
    condition: Condition,
    run: Option<&RunId>,
    now: Timestamp,
) -> Result<i64, Stop> {
    get(tx, agent, key)?;
    set(tx, agent, key, None, condition, run, now)
}

/// The kept versions of a key, newest first.
pub(crate) fn history(
    connection: &Connection,
    agent: &Agent,
    key: &str,
) -> Result<Vec<Version>, Stop> {
    let versions: Vec<Version> = connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM state WHERE agent_id = ?1 AND key = ?2 ORDER BY version DESC"
        ))?
        .query_map(params![agent.agent_id, key], from_row)?
        .collect::<sql::Result<_>>()?;
    if versions.is_empty() { Err(no_value(agent, key)) } else { Ok(versions) }
}

/// One kept version that has a value.
pub(crate) fn version(
    connection: &Connection,
    agent: &Agent,
    key: &str,
    version: i64,
) -> Result<Version, Stop> {
    history(connection, agent, key)?
        .into_iter()
        .find(|kept| kept.number == version && kept.value.is_some())
        .ok_or_else(|| {
            let (agent, key) = (agent.name.clone(), key.to_owned());
            Error::NoVersion { agent, key, version }.into()
        })
}

/// The current values whose keys begin with `prefix`, taken literally, handed to `take` by key.
pub(crate) fn list(
    connection: &Connection,
    agent: &AgentId,
    prefix: &str,
    mut take: impl FnMut(Version),
) -> sql::Result<()> {
    let mut statement = connection.prepare(&format!(
        "SELECT {COLUMNS} FROM state s
          WHERE agent_id = ?1 AND key >= ?2 AND value IS NOT NULL
            AND version = (SELECT max(version) FROM state t WHERE t.agent_id = s.agent_id AND t.key = s.key)
          ORDER BY key"
    ))?;
    let mut rows = statement.query(params![agent, prefix])?;
    while let Some(row) = rows.next()? {
        let version = from_row(&row)?;
        if !version.key.starts_with(prefix) {
            break;
        }
        take(version);
    }
    Ok(())
}
