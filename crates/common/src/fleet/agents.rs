//! Agents: a unique name, an id, and when it was last seen.

use crate::sql::{self, Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::{Value, json};

use super::events::Event;
use super::{id, new_id, words};
use crate::clock::Timestamp;

id! {
    /// The id of an agent.
    AgentId
}

words! {
    /// How an agent comes to run.
    AgentType {
        /// From a crontab or a timer.
        Cron = "cron",
        /// By a person.
        Interactive = "interactive",
        /// By another agent.
        Delegated = "delegated",
    }
}

/// A registered agent.
#[derive(Debug, Clone, Serialize)]
pub struct Agent {
    /// Its id.
    pub agent_id: AgentId,
    /// Its unique name.
    pub name: String,
    /// How it comes to run.
    #[serde(rename = "type")]
    pub agent_type: AgentType,
    /// The id of its cron job elsewhere.
    pub cron_job_id: Option<String>,
    /// What its owner noted about it.
    pub metadata: Value,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last registered, ran or sent a heartbeat.
    pub last_seen_at: Timestamp,
    /// When it was retired.
    pub retired_at: Option<Timestamp>,
}

/// What a registration sets; what is `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Registration {
    /// How the agent comes to run; a new agent without it is of type cron.
    pub agent_type: Option<AgentType>,
    /// The id of its cron job elsewhere.
    pub cron_job_id: Option<String>,
    /// What its owner notes about it.
    pub metadata: Option<Value>,
}

const COLUMNS: &str = "id, name, type, cron_job_id, metadata, created_at, last_seen_at, retired_at";

fn from_row(row: &Row<'_>) -> sql::Result<Agent> {
    let metadata: Option<String> = row.get(4)?;
    Ok(Agent {
        agent_id: row.get(0)?,
        name: row.get(1)?,
        agent_type: row.get(2)?,
        cron_job_id: row.get(3)?,
        metadata: metadata
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_else(|| json!({})),
        created_at: row.get(5)?,
        last_seen_at: row.get(6)?,
        retired_at: row.get(7)?,
    })
}

/// Registers `name`, or updates what `registration` sets. Returns the agent and whether it is new.
///
/// A retired agent that registers again is active again.
pub fn register(
    tx: &Connection,
    name: &str,
    registration: &Registration,
    now: Timestamp,
) -> sql::Result<(Agent, bool)> {
    let metadata = registration.metadata.as_ref().map(Value::to_string);
    let known = by_name(tx, name)?;
    if let Some(known) = &known {
        tx.send(
            "UPDATE agents SET type = coalesce(?2, type), cron_job_id = coalesce(?3, cron_job_id),
                    metadata = coalesce(?4, metadata), last_seen_at = ?5, retired_at = NULL
              WHERE id = ?1",
            params![
                known.agent_id,
                registration.agent_type,
                registration.cron_job_id,
                metadata,
                now
            ],
        )?;
    } else {
        tx.send(
            "INSERT INTO agents (id, name, type, cron_job_id, metadata, created_at, last_seen_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)",
            params![
                new_id(),
                name,
                registration.agent_type.unwrap_or(AgentType::Cron),
                registration.cron_job_id,
                metadata,
                now
            ],
        )?;
    }
    let agent = by_name(tx, name)?.ok_or(sql::Error::NoRow)?;
    Event { agent: Some(&agent.agent_id), ..Event::of("agent.register", &agent.name) }.append(
        tx,
        &Value::Null,
        now,
    )?;
    Ok((agent, known.is_none()))
}

fn by_name(connection: &Connection, name: &str) -> sql::Result<Option<Agent>> {
    connection
        .query_row(&format!("SELECT {COLUMNS} FROM agents WHERE name = ?1"), [name], from_row)
        .optional()
}

/// The agent with this name or this id; a name wins over an id.
pub fn find(connection: &Connection, name_or_id: &str) -> sql::Result<Option<Agent>> {
    match by_name(connection, name_or_id)? {
        Some(agent) => Ok(Some(agent)),
        None => connection
            .query_row(
                &format!("SELECT {COLUMNS} FROM agents WHERE id = ?1"),
                [name_or_id],
                from_row,
            )
            .optional(),
    }
}

/// All agents by name, of one type when it is given.
pub fn list(connection: &Connection, agent_type: Option<AgentType>) -> sql::Result<Vec<Agent>> {
    connection
        .prepare(&format!(
            "SELECT {COLUMNS} FROM agents WHERE type = ?1 OR ?1 IS NULL ORDER BY name"
        ))?
        .query_map([agent_type], from_row)?
        .collect()
}

/// Notes that the agent was seen.
pub fn seen(tx: &Connection, agent: &AgentId, now: Timestamp) -> sql::Result<()> {
    tx.send(
        "UPDATE agents SET last_seen_at = CASE WHEN last_seen_at > ?2 THEN last_seen_at ELSE ?2 END WHERE id = ?1",
        params![agent, now],
    )?;
    Ok(())
}

/// Retires an agent: it is listed no longer, and what it did stays on record.
pub fn retire(tx: &Connection, agent: &AgentId, now: Timestamp) -> sql::Result<()> {
    tx.send(
        "UPDATE agents SET retired_at = coalesce(retired_at, ?2) WHERE id = ?1",
        params![agent, now],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::open_for_test;

    #[test]
    fn registering_again_without_a_flag_changes_nothing_that_the_flag_would_set() {
        let folder = tempfile::tempdir().unwrap();
        let mut fleet = open_for_test(folder.path()).unwrap();
        let full = Registration {
            agent_type: Some(AgentType::Interactive),
            cron_job_id: Some("k6".into()),
            metadata: Some(json!({"owner": "me"})),
        };
        let mut register = |registration: &Registration, at| {
            fleet
                .write("register", |tx| {
                    super::register(tx, "reviewer", registration, Timestamp(at))
                })
                .unwrap()
        };
        let (first, is_new) = register(&full, 1);
        assert!(is_new);
        let (again, is_new) = register(&Registration::default(), 2);
        assert!(!is_new);
        assert_eq!(again.agent_id, first.agent_id);
        assert_eq!(again.agent_type, AgentType::Interactive);
        assert_eq!(again.cron_job_id.as_deref(), Some("k6"));
        assert_eq!(again.metadata, json!({"owner": "me"}));
        assert_eq!(again.last_seen_at, Timestamp(2));
    }

    #[test]
    fn an_agent_is_found_by_name_and_by_id_and_a_name_wins() {
        let folder = tempfile::tempdir().unwrap();
        let mut fleet = open_for_test(folder.path()).unwrap();
        let mut register = |name: &str| {
            fleet
                .write("register", |tx| {
                    super::register(tx, name, &Registration::default(), Timestamp(1))
                })
                .unwrap()
                .0
        };
        let first = register("reviewer");
        let second = register(first.agent_id.as_str());
        let find = |text: &str| fleet.read("read", |c| super::find(c, text)).unwrap();
        assert_eq!(find(first.agent_id.as_str()).unwrap().agent_id, second.agent_id);
        assert_eq!(find(second.agent_id.as_str()).unwrap().agent_id, second.agent_id);
        assert!(find("nobody").is_none());
    }
}
