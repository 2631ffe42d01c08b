//! What guarded files held, the last 20 versions of each.

use common::clock::Timestamp;
use common::fleet::agents::AgentId;
use common::fleet::events::Event;
use common::fleet::runs::RunId;
use common::sql::{self, Connection, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde_json::json;

use super::Stop;
use crate::disk::FileVersion;
use crate::error::Error;

/// How many versions of a file are kept, the current one included.
const KEPT_VERSIONS: i64 = 20;

common::words! {
    /// How a content came to be in the file.
    Origin {
        /// Through `file put`.
        Put = "put",
        /// Through `file restore`.
        Restore = "restore",
        /// Around the tool; noticed later.
        Found = "found",
    }
}

/// One kept version, without its content.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Kept {
    #[serde(skip)]
    id: i64,
    pub(crate) path: String,
    pub(crate) version: FileVersion,
    pub(crate) n_bytes: i64,
    pub(crate) origin: Origin,
    pub(crate) agent_id: Option<AgentId>,
    pub(crate) agent: Option<String>,
    pub(crate) run_id: Option<RunId>,
    pub(crate) noted_at: Timestamp,
}

/// Who replaces a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Author {
    pub(crate) agent: Option<AgentId>,
    pub(crate) run: Option<RunId>,
}

fn from_row(row: &Row<'_>) -> sql::Result<Kept> {
    Ok(Kept {
        id: row.get(0)?,
        path: row.get(1)?,
        version: FileVersion::from(row.get::<String>(2)?),
        n_bytes: row.get(3)?,
        origin: row.get(4)?,
        agent_id: row.get(5)?,
        agent: row.get(6)?,
        run_id: row.get(7)?,
        noted_at: row.get(8)?,
    })
}

/// The kept versions of a file, newest first.
pub(crate) fn log(connection: &Connection, path: &str) -> sql::Result<Vec<Kept>> {
    connection
        .prepare(
            "SELECT f.id, f.path, f.version, length(f.content), f.origin, f.agent_id, a.name, f.run_id, f.noted_at
               FROM file_versions f LEFT JOIN agents a ON a.id = f.agent_id
              WHERE f.path = ?1 ORDER BY f.id DESC",
        )?
        .query_map([path], from_row)?
        .collect()
}

/// The content of the one kept version that begins with `prefix`.
pub(crate) fn content(
    connection: &Connection,
    path: &str,
    prefix: &str,
) -> Result<(FileVersion, Vec<u8>), Stop> {
    let log = log(connection, path)?;
    let mut matching = log.iter().filter(|kept| kept.version.as_str().starts_with(prefix));
    let found = matching.next();
    let is_ambiguous =
        matching.any(|kept| found.is_some_and(|found| kept.version != found.version));
    let Some(found) = found.filter(|_| !prefix.is_empty() && !is_ambiguous) else {
        return Err(Error::NoFileVersion {
            path: path.to_owned(),
            version: prefix.to_owned(),
            is_ambiguous,
        }
        .into());
    };
    let bytes = connection.query_row(
        "SELECT content FROM file_versions WHERE id = ?1",
        [found.id],
        |row| row.get(0),
    )?;
    Ok((found.version.clone(), bytes))
}

/// Keeps a content as the newest version, unless it is the newest already.
pub(crate) fn keep(
    tx: &Connection,
    path: &str,
    (version, bytes): (&FileVersion, &[u8]),
    origin: Origin,
    author: &Author,
    now: Timestamp,
) -> sql::Result<()> {
    let newest: Option<String> = tx
        .query_row(
            "SELECT version FROM file_versions WHERE path = ?1 ORDER BY id DESC LIMIT 1",
            [path],
            |row| row.get(0),
        )
        .optional()?;
    if origin == Origin::Found && newest.as_deref() == Some(version.as_str()) {
        return Ok(());
    }
    tx.send(
        "INSERT INTO file_versions (path, version, content, origin, agent_id, run_id, noted_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![path, version.as_str(), bytes, origin, author.agent, author.run, now],
    )?;
    tx.send(
        "DELETE FROM file_versions WHERE path = ?1 AND id NOT IN
                (SELECT id FROM file_versions WHERE path = ?1 ORDER BY id DESC LIMIT ?2)",
        params![path, KEPT_VERSIONS],
    )?;
    let kind = match origin {
        Origin::Put => "file.put",
        Origin::Restore => "file.restore",
        Origin::Found => "file.found",
    };
    Event { agent: author.agent.as_ref(), run: author.run.as_ref(), ..Event::of(kind, path) }
        .append(tx, &json!({ "version": version }), now)
}
