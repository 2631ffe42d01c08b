//! What agents tell each other: who works on what, what is finished, what blocks.

use common::clock::Timestamp;
use common::fleet::agents::{Agent, AgentId};
use common::fleet::events::Event;
use common::fleet::liveness::Here;
use common::fleet::runs::RunId;
use common::sql::{self, Connection, Row, params};
use serde::Serialize;
use serde_json::json;

use super::{Stop, is_running, must_go_on};

common::words! {
    /// What a post says.
    Kind {
        /// The agent works on the resource now.
        WorkingOn = "working_on",
        /// The agent has finished with the resource.
        Completed = "completed",
        /// The agent cannot go on because of the resource.
        BlockedBy = "blocked_by",
        /// Something worth knowing.
        Note = "note",
    }
}

impl Kind {
    /// The kind as a verb in a sentence.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::WorkingOn => "works on",
            Self::Completed => "completed",
            Self::BlockedBy => "is blocked by",
            Self::Note => "notes about",
        }
    }
}

/// One post.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Post {
    #[serde(rename = "post_id")]
    pub(crate) id: i64,
    pub(crate) agent_id: AgentId,
    pub(crate) agent: String,
    pub(crate) run_id: Option<RunId>,
    pub(crate) action: Kind,
    pub(crate) resource: String,
    pub(crate) detail: Option<String>,
    pub(crate) posted_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
}

const SELECT: &str =
    "SELECT c.id, c.agent_id, a.name, c.run_id, c.action, c.resource, c.detail, c.posted_at,
        c.expires_at, c.ended_at
   FROM coordination c JOIN agents a ON a.id = c.agent_id";

fn from_row(row: &Row<'_>) -> sql::Result<Post> {
    Ok(Post {
        id: row.get(0)?,
        agent_id: row.get(1)?,
        agent: row.get(2)?,
        run_id: row.get(3)?,
        action: row.get(4)?,
        resource: row.get(5)?,
        detail: row.get(6)?,
        posted_at: row.get(7)?,
        expires_at: row.get(8)?,
        ended_at: row.get(9)?,
    })
}

/// A post about to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewPost<'a> {
    pub(crate) agent: &'a Agent,
    pub(crate) run: Option<&'a RunId>,
    pub(crate) action: Kind,
    pub(crate) resource: &'a str,
    pub(crate) detail: Option<&'a str>,
    /// Until when the agent says that it works on the resource.
    pub(crate) expires_at: Option<Timestamp>,
}

/// Writes a post. Starting anew and completing both end what the agent said before about the resource.
///
/// What an agent is working on ends with its run, so that none can be posted in a run that has ended.
pub(crate) fn post(
    tx: &Connection,
    new: &NewPost<'_>,
    here: &Here,
    now: Timestamp,
) -> Result<Post, Stop> {
    if new.action == Kind::WorkingOn {
        must_go_on(tx, new.run, here, now)?;
    }
    if matches!(new.action, Kind::WorkingOn | Kind::Completed) {
        tx.send(
            "UPDATE coordination SET ended_at = ?3
              WHERE agent_id = ?1 AND resource = ?2 AND expires_at IS NOT NULL AND ended_at IS NULL",
            params![new.agent.agent_id, new.resource, now],
        )?;
    }
    let id: i64 = tx.query_row(
        "INSERT INTO coordination (agent_id, run_id, action, resource, detail, posted_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
        params![
            new.agent.agent_id,
            new.run,
            new.action,
            new.resource,
            new.detail,
            now,
            new.expires_at
        ],
        |row| row.get(0),
    )?;
    let kind = match new.action {
        Kind::WorkingOn => "coord.working_on",
        Kind::Completed => "coord.completed",
        Kind::BlockedBy => "coord.blocked_by",
        Kind::Note => "coord.note",
    };
    Event { agent: Some(&new.agent.agent_id), run: new.run, ..Event::of(kind, new.resource) }
        .append(tx, &json!({ "detail": new.detail }), now)?;
    Ok(tx.query_row(&format!("{SELECT} WHERE c.id = ?1"), [id], from_row)?)
}

/// Who works on what now, or on one resource; what has expired or ended with its run is left out.
pub(crate) fn current(
    connection: &Connection,
    resource: Option<&str>,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Vec<Post>> {
    let posts: Vec<Post> = connection
        .prepare(&format!(
            "{SELECT} WHERE c.expires_at IS NOT NULL AND c.ended_at IS NULL AND c.expires_at > ?1
                AND (c.resource = ?2 OR ?2 IS NULL) ORDER BY c.resource, c.id"
        ))?
        .query_map(params![now, resource], from_row)?
        .collect::<sql::Result<_>>()?;
    let mut current = Vec::with_capacity(posts.len());
    for post in posts {
        if is_running(connection, post.run_id.as_ref(), here, now)? != Some(false) {
            current.push(post);
        }
    }
    Ok(current)
}

/// The newest posts, newest first.
pub(crate) fn recent(connection: &Connection, limit: u32) -> sql::Result<Vec<Post>> {
    connection
        .prepare(&format!("{SELECT} ORDER BY c.id DESC LIMIT ?1"))?
        .query_map([limit], from_row)?
        .collect()
}

/// The newest post of each agent about each resource, where it says that the agent is blocked.
pub(crate) fn blocked(connection: &Connection, since: Timestamp) -> sql::Result<Vec<Post>> {
    connection
        .prepare(&format!(
            "{SELECT} WHERE c.action = 'blocked_by' AND c.posted_at >= ?1 AND NOT EXISTS
                (SELECT 1 FROM coordination d WHERE d.agent_id = c.agent_id AND d.resource = c.resource AND d.id > c.id)
              ORDER BY c.id"
        ))?
        .query_map([since], from_row)?
        .collect()
}
