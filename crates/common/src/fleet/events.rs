//! The append-only record of changes. Every change appends one event in its own transaction.

use crate::sql::{self, Connection, params};
use serde_json::Value;

use super::agents::AgentId;
use super::runs::RunId;
use crate::clock::Timestamp;

/// One change, about to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// `noun.verb`, as `run.finish`.
    pub kind: &'static str,
    /// What changed: an id, a resource, a key.
    pub subject: &'a str,
    /// Who changed it.
    pub agent: Option<&'a AgentId>,
    /// In which run.
    pub run: Option<&'a RunId>,
}

impl<'a> Event<'a> {
    /// A change of `subject` by nobody in particular.
    pub fn of(kind: &'static str, subject: &'a str) -> Self {
        Self { kind, subject, agent: None, run: None }
    }

    /// Appends the event; `detail` holds its facts, or `Value::Null` where there are none.
    pub fn append(self, tx: &Connection, detail: &Value, now: Timestamp) -> sql::Result<()> {
        let detail = (!detail.is_null()).then(|| detail.to_string());
        tx.send(
            "INSERT INTO events (at, kind, subject, agent_id, run_id, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![now, self.kind, self.subject, self.agent, self.run, detail],
        )?;
        Ok(())
    }
}
