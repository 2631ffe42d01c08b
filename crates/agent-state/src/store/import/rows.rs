//! Runs, values, locks, posts and entries of the Python tool, each as ours.

use common::clock::Timestamp;
use common::duration;
use common::fleet::agents::AgentId;
use common::fleet::id_of;
use common::fleet::runs::{self, Status};
use common::name::Name;
use common::sql::{self, Connection, OptionalExtension as _, ToSql, params};
use sha2::{Digest as _, Sha256};

use super::source::Record;
use super::{Fate, Importer, LEASE, WORKING_ON};
use crate::lock::Claim;
use crate::store::Stop;
use crate::store::coord::Kind;
use crate::store::locks::{self, Answer, Request};
use crate::value::{Json, Reading};

/// The largest version that is believed, so that writes from here on can still count up.
const MAX_VERSION: i64 = 1 << 53;

impl Importer<'_> {
    /// A run gets an id of its time, always the same for the same run.
    pub(super) fn run(&mut self, record: &Record) -> Result<Option<Fate>, Stop> {
        let (Some(old_id), Some(started_at)) =
            (record.text(&["run_id", "session_id"]), record.moment(&["started_at"]))
        else {
            return Ok(None);
        };
        let Some(agent) = self.agent_of(record)? else { return Ok(None) };
        let mut tail = [0; 10];
        for (byte, hashed) in tail.iter_mut().zip(Sha256::digest(old_id.as_bytes())) {
            *byte = hashed;
        }
        let id = id_of(started_at, &tail);
        let status = match record.text(&["status"]).as_deref() {
            Some("running") => Status::Running,
            Some("completed" | "ok" | "success" | "done") => Status::Completed,
            Some("interrupted" | "cancelled") => Status::Interrupted,
            _ => Status::Failed,
        };
        let finished_at = record.moment(&["ended_at"]);
        let known = runs::get(self.tx, &id)?;
        let fate = match &known {
            Some(known) if known.status == Status::Running && status != Status::Running => {
                Fate::Updated
            }
            Some(_) => return Ok(Some(Fate::Present)),
            None => {
                self.tx.send(
                    "INSERT INTO runs (id, agent_id, status, started_at, heartbeat_at, lease_ms, lease_until, output_path)
                     VALUES (?1, ?2, 'running', ?3, ?3, ?4, ?5, ?6)",
                    params![
                        id,
                        agent,
                        started_at,
                        duration::millis(LEASE),
                        started_at.plus(LEASE),
                        record.text(&["output_path"])
                    ],
                )?;
                Fate::Imported
            }
        };
        if status != Status::Running {
            self.tx.send(
                "UPDATE runs SET status = ?2, reason = ?3, finished_at = CASE WHEN started_at > ?4 THEN started_at ELSE ?4 END, exit_code = ?5,
                        summary = ?6, token_usage = ?7
                  WHERE id = ?1",
                params![
                    id,
                    status,
                    record.text(&["error_detail"]),
                    finished_at.unwrap_or(started_at),
                    record.integer(&["exit_code"]),
                    record.text(&["summary"]),
                    // The Python tool writes 0 where it knows nothing.
                    record.integer(&["token_usage"]).filter(|tokens| *tokens > 0)
                ],
            )?;
        }
        Ok(Some(fate))
    }

    /// A value with its version; a newer one here is not overwritten. Of two agents of one name, who are one
    /// here, the later value wins, and of two of one moment that of the higher version.
    pub(super) fn value(&mut self, record: &Record) -> Result<Option<Fate>, Stop> {
        let (Some(key), Some(text), Some(written_at)) = (
            record.text(&["key"]),
            record.text(&["value_json", "value"]),
            record.moment(&["updated_at"]),
        ) else {
            return Ok(None);
        };
        // No command could name it.
        if key.parse::<Name>().is_err() {
            return Ok(None);
        }
        let Ok(value) = Json::read(&text, Reading::Guess) else { return Ok(None) };
        let Some(agent) = self.agent_of(record)? else { return Ok(None) };
        let theirs = record.integer(&["version"]).unwrap_or(1).min(MAX_VERSION);
        let newest: Option<(i64, Timestamp)> = self
            .tx
            .query_row(
                "SELECT version, written_at FROM state WHERE agent_id = ?1 AND key = ?2
                  ORDER BY version DESC LIMIT 1",
                params![agent, key],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let (version, fate) = match newest {
            Some((version, at)) if (at, version) >= (written_at, theirs) => {
                let is_here = exists(
                    self.tx,
                    "SELECT 1 FROM state WHERE agent_id = ?1 AND key = ?2 AND written_at = ?3 AND value = ?4",
                    params![agent, key, written_at, value.as_str()],
                )?;
                return Ok(is_here.then_some(Fate::Present));
            }
            Some((version, _)) => (version + 1, Fate::Updated),
            None => (1, Fate::Imported),
        };
        let version = version.max(theirs);
        self.tx.send(
            "INSERT INTO state (agent_id, key, version, value, written_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![agent, key, version, value.as_str(), written_at],
        )?;
        Ok(Some(fate))
    }

    /// A lock that still holds is taken over with the time that it has left.
    pub(super) fn lock(&mut self, record: &Record) -> Result<Option<Fate>, Stop> {
        let (Some(resource), Some(expires_at)) =
            (record.text(&["resource", "resource_path"]), record.moment(&["expires_at"]))
        else {
            return Ok(None);
        };
        let Some(agent) = self.agent_of(record)? else { return Ok(None) };
        let ttl = expires_at.since(self.now);
        if ttl.is_zero() {
            return Ok(None);
        }
        let holders = locks::holders(self.tx, &resource, self.here, self.now)?;
        if holders.iter().any(|grant| grant.agent_id.as_ref() == Some(&agent)) {
            return Ok(Some(Fate::Present));
        }
        let request = Request {
            claims: vec![Claim { resource, shared: false, is_path: false }],
            agent: Some(agent),
            run: None,
            reason: Some("imported".to_owned()),
            ttl,
            under: None,
            holder: None,
            waiter: None,
        };
        let answer = locks::request(self.tx, &request, None, false, self.here, self.now)?;
        Ok(matches!(answer, Answer::Granted(_)).then_some(Fate::Imported))
    }

    pub(super) fn post(&mut self, record: &Record) -> Result<Option<Fate>, Stop> {
        let (Some(action), Some(resource), Some(at)) =
            (record.text(&["action"]), record.text(&["resource"]), record.moment(&["timestamp"]))
        else {
            return Ok(None);
        };
        let kind = match action.as_str() {
            "working_on" => Kind::WorkingOn,
            "completed" => Kind::Completed,
            "blocked_by" => Kind::BlockedBy,
            "note" => Kind::Note,
            _ => return Ok(None),
        };
        let Some(agent) = self.agent_of(record)? else { return Ok(None) };
        let detail = record.text(&["detail"]).filter(|detail| !detail.is_empty());
        let is_present = exists(
            self.tx,
            "SELECT 1 FROM coordination WHERE resource = ?1 AND agent_id = ?2 AND action = ?3 AND posted_at = ?4
                AND coalesce(detail, '') = coalesce(?5, '')",
            params![resource, agent, kind, at, detail],
        )?;
        if is_present {
            return Ok(Some(Fate::Present));
        }
        let expires_at = (kind == Kind::WorkingOn).then(|| at.plus(WORKING_ON));
        self.tx.send(
            "INSERT INTO coordination (agent_id, action, resource, detail, posted_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![agent, kind, resource, detail, at, expires_at],
        )?;
        Ok(Some(Fate::Imported))
    }

    pub(super) fn entry(&mut self, record: &Record) -> Result<Option<Fate>, Stop> {
        let (Some(category), Some(text), Some(at)) =
            (record.text(&["category"]), record.text(&["content"]), record.moment(&["timestamp"]))
        else {
            return Ok(None);
        };
        let Ok(entry) = Json::read(&text, Reading::Guess) else { return Ok(None) };
        let Some(agent) = self.agent_of(record)? else { return Ok(None) };
        if self.has_entry(&agent, &category, &entry, at)? {
            return Ok(Some(Fate::Present));
        }
        self.tx.send(
            "INSERT INTO journal (agent_id, category, entry, written_at) VALUES (?1, ?2, ?3, ?4)",
            params![agent, category, entry.as_str(), at],
        )?;
        Ok(Some(Fate::Imported))
    }

    fn has_entry(
        &self,
        agent: &AgentId,
        category: &str,
        entry: &Json,
        at: Timestamp,
    ) -> sql::Result<bool> {
        exists(
            self.tx,
            "SELECT 1 FROM journal WHERE written_at = ?1 AND agent_id = ?2 AND category = ?3 AND entry = ?4",
            params![at, agent, category, entry.as_str()],
        )
    }
}

fn exists(connection: &Connection, query: &str, values: &[&dyn ToSql]) -> sql::Result<bool> {
    Ok(connection.query_row(query, values, |_| Ok(())).optional()?.is_some())
}
