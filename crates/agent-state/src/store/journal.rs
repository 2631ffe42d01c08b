//! What agents note for later.

use common::clock::Timestamp;
use common::fleet::agents::{Agent, AgentId};
use common::fleet::events::Event;
use common::fleet::runs::RunId;
use common::sql::{self, Connection, params};
use serde::Serialize;
use serde_json::Value;

use crate::value::Json;

/// One entry.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    #[serde(rename = "entry_id")]
    pub(crate) id: i64,
    pub(crate) agent_id: AgentId,
    pub(crate) agent: String,
    pub(crate) run_id: Option<RunId>,
    pub(crate) category: String,
    #[serde(rename = "entry")]
    pub(crate) text: Json,
    pub(crate) written_at: Timestamp,
}

/// Adds an entry. Returns its id.
pub(crate) fn add(
    tx: &Connection,
    agent: &Agent,
    run: Option<&RunId>,
    category: &str,
    entry: &Json,
    now: Timestamp,
) -> sql::Result<i64> {
    let id: i64 = tx.query_row(
        "INSERT INTO journal (agent_id, run_id, category, entry, written_at) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
        params![agent.agent_id, run, category, entry.as_str(), now],
        |row| row.get(0),
    )?;
    Event { agent: Some(&agent.agent_id), run, ..Event::of("journal.add", category) }.append(
        tx,
        &Value::Null,
        now,
    )?;
    Ok(id)
}

/// Which entries [`list`] returns.
#[derive(Debug, Default)]
pub(crate) struct Filter<'a> {
    pub(crate) agent: Option<&'a AgentId>,
    pub(crate) category: Option<&'a str>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) limit: u32,
}

/// The newest entries that pass the filter, oldest first.
pub(crate) fn list(connection: &Connection, filter: &Filter<'_>) -> sql::Result<Vec<Entry>> {
    let mut clauses = vec!["1 = 1"];
    let mut values: Vec<&dyn sql::ToSql> = Vec::new();
    if let Some(agent) = &filter.agent {
        clauses.push("j.agent_id = ?");
        values.push(agent);
    }
    if let Some(category) = &filter.category {
        clauses.push("j.category = ?");
        values.push(category);
    }
    if let Some(since) = &filter.since {
        clauses.push("j.written_at >= ?");
        values.push(since);
    }
    values.push(&filter.limit);
    let mut entries: Vec<Entry> = connection
        .prepare(&format!(
            "SELECT j.id, j.agent_id, a.name, j.run_id, j.category, j.entry, j.written_at
               FROM journal j JOIN agents a ON a.id = j.agent_id
              WHERE {} ORDER BY j.id DESC LIMIT ?",
            clauses.join(" AND ")
        ))?
        .query_map(values.as_slice(), |row| {
            Ok(Entry {
                id: row.get(0)?,
                agent_id: row.get(1)?,
                agent: row.get(2)?,
                run_id: row.get(3)?,
                category: row.get(4)?,
                text: Json::from(row.get::<String>(5)?),
                written_at: row.get(6)?,
            })
        })?
        .collect::<sql::Result<_>>()?;
    entries.reverse();
    Ok(entries)
}
