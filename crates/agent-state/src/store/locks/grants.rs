//! Grants: what is held, by whom, and how it is kept, given back and taken away.

use std::time::Duration;

use common::clock::Timestamp;
use common::duration;
use common::fleet::agents::AgentId;
use common::fleet::events::Event;
use common::fleet::liveness::{Here, Holder};
use common::fleet::new_id;
use common::fleet::runs::RunId;
use common::sql::{self, Connection, Row, params};
use serde::Serialize;
use serde_json::json;

use super::super::{holder_from_row, is_running, next};
use super::Request;
use crate::lock::{Claim, Lapse, lapse};

/// A lock that somebody holds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Grant {
    #[serde(rename = "grant_id")]
    pub(crate) id: String,
    pub(crate) resource: String,
    pub(crate) token: i64,
    pub(crate) shared: bool,
    #[serde(rename = "path")]
    pub(crate) is_path: bool,
    pub(crate) agent_id: Option<AgentId>,
    pub(crate) agent: Option<String>,
    pub(crate) run_id: Option<RunId>,
    pub(crate) reason: Option<String>,
    pub(crate) acquired_at: Timestamp,
    #[serde(skip)]
    pub(crate) ttl_ms: i64,
    pub(crate) expires_at: Timestamp,
    pub(crate) holder: Option<Holder>,
}

impl Grant {
    /// As in "`deploy` is …": held by whom, in which run, why.
    pub(crate) fn describe(&self) -> String {
        let who = match (&self.agent, &self.holder) {
            (Some(agent), _) => agent.clone(),
            (None, Some(holder)) => format!("process {}", holder.pid),
            (None, None) => "nobody in particular".to_owned(),
        };
        let run = self.run_id.as_ref().map_or_else(String::new, |run| format!(" in run {run}"));
        let reason = self.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
        format!("held by {who}{run}{reason}")
    }

    pub(super) fn claim(&self) -> Claim {
        Claim { resource: self.resource.clone(), shared: self.shared, is_path: self.is_path }
    }
}

const SELECT: &str =
    "SELECT l.id, l.resource, l.token, l.shared, l.is_path, l.agent_id, a.name, l.run_id, l.reason,
        l.acquired_at, l.ttl_ms, l.expires_at, l.host, l.boot_id, l.pid_space, l.pid, l.pid_started
   FROM locks l LEFT JOIN agents a ON a.id = l.agent_id";

fn from_row(row: &Row<'_>) -> sql::Result<Grant> {
    Ok(Grant {
        id: row.get(0)?,
        resource: row.get(1)?,
        token: row.get(2)?,
        shared: row.get(3)?,
        is_path: row.get(4)?,
        agent_id: row.get(5)?,
        agent: row.get(6)?,
        run_id: row.get(7)?,
        reason: row.get(8)?,
        acquired_at: row.get(9)?,
        ttl_ms: row.get(10)?,
        expires_at: row.get(11)?,
        holder: holder_from_row(row, 12)?,
    })
}

/// Why a grant holds no longer; `None` while it holds.
pub(super) fn lapse_of(
    connection: &Connection,
    grant: &Grant,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Option<Lapse>> {
    let run_is_running = is_running(connection, grant.run_id.as_ref(), here, now)?;
    Ok(lapse(grant.expires_at, grant.holder.as_ref(), run_is_running, here, now))
}

pub(super) fn select(
    connection: &Connection,
    clause: &str,
    values: &[&dyn sql::ToSql],
) -> sql::Result<Vec<Grant>> {
    connection
        .prepare(&format!("{SELECT} WHERE {clause} ORDER BY l.resource, l.token"))?
        .query_map(values, from_row)?
        .collect()
}

fn still_held(
    connection: &Connection,
    grants: Vec<Grant>,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Vec<Grant>> {
    let mut held = Vec::with_capacity(grants.len());
    for grant in grants {
        if lapse_of(connection, &grant, here, now)?.is_none() {
            held.push(grant);
        }
    }
    Ok(held)
}

/// All locks that are held now, by resource.
pub(crate) fn held(
    connection: &Connection,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Vec<Grant>> {
    still_held(connection, select(connection, "l.expires_at > ?1", &[&now])?, here, now)
}

/// Grants that hold no longer and that nobody has taken away yet.
pub(crate) fn lapsed(
    connection: &Connection,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Vec<Grant>> {
    let mut lapsed = Vec::new();
    for grant in select(connection, "1 = 1", &[])? {
        if lapse_of(connection, &grant, here, now)?.is_some() {
            lapsed.push(grant);
        }
    }
    Ok(lapsed)
}

/// The grants on exactly this resource that are held now, oldest first.
pub(crate) fn holders(
    connection: &Connection,
    resource: &str,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Vec<Grant>> {
    still_held(connection, select(connection, "l.resource = ?1", &[&resource])?, here, now)
}

/// The grants that stand in the way of a claim now, those on its own resource first.
pub(crate) fn in_the_way(
    connection: &Connection,
    claim: &Claim,
    here: &Here,
    now: Timestamp,
) -> sql::Result<Vec<Grant>> {
    let mut grants = touching(connection, claim)?;
    grants.retain(|grant| claim.conflicts_with(&grant.claim()));
    grants.sort_by_key(|grant| grant.resource != claim.resource);
    still_held(connection, grants, here, now)
}

/// The grants that touch a claim, held or lapsed.
pub(super) fn touching(connection: &Connection, claim: &Claim) -> sql::Result<Vec<Grant>> {
    let clause = if claim.is_path { "l.is_path = 1 OR l.resource = ?1" } else { "l.resource = ?1" };
    select(connection, clause, &[&claim.resource])
}

pub(super) fn grant(
    tx: &Connection,
    request: &Request,
    claim: &Claim,
    now: Timestamp,
) -> sql::Result<Grant> {
    let token = next(tx, "lock_token")?;
    let holder = request.holder.as_ref();
    let grant = Grant {
        id: new_id(),
        resource: claim.resource.clone(),
        token,
        shared: claim.shared,
        is_path: claim.is_path,
        agent_id: request.agent.clone(),
        agent: agent_name(tx, request.agent.as_ref())?,
        run_id: request.run.clone(),
        reason: request.reason.clone(),
        acquired_at: now,
        ttl_ms: duration::millis(request.ttl),
        expires_at: now.plus(request.ttl),
        holder: request.holder.clone(),
    };
    tx.send(
        "INSERT INTO locks (id, resource, token, shared, is_path, agent_id, run_id, reason, acquired_at, ttl_ms,
                            expires_at, host, boot_id, pid_space, pid, pid_started)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        params![
            grant.id,
            grant.resource,
            grant.token,
            grant.shared,
            grant.is_path,
            grant.agent_id,
            grant.run_id,
            grant.reason,
            grant.acquired_at,
            grant.ttl_ms,
            grant.expires_at,
            holder.map(|holder| &holder.host),
            holder.map(|holder| &holder.boot_id),
            holder.map(|holder| &holder.pid_space),
            holder.map(|holder| holder.pid),
            holder.map(|holder| holder.pid_started),
        ],
    )?;
    event(&grant, "lock.acquire").append(
        tx,
        &json!({ "token": token, "shared": grant.shared, "expires_at": grant.expires_at, "reason": grant.reason }),
        now,
    )?;
    Ok(grant)
}

fn agent_name(tx: &Connection, agent: Option<&AgentId>) -> sql::Result<Option<String>> {
    match agent {
        Some(agent) => tx
            .query_row("SELECT name FROM agents WHERE id = ?1", [agent], |row| row.get(0))
            .map(Some),
        None => Ok(None),
    }
}

fn event<'a>(grant: &'a Grant, kind: &'static str) -> Event<'a> {
    Event {
        agent: grant.agent_id.as_ref(),
        run: grant.run_id.as_ref(),
        ..Event::of(kind, &grant.resource)
    }
}

/// Lengthens a grant; it is never shortened, also not by a clock that went back.
pub(super) fn extend(
    tx: &Connection,
    mut grant: Grant,
    ttl: Duration,
    now: Timestamp,
) -> sql::Result<Grant> {
    grant.expires_at = grant.expires_at.max(now.plus(ttl));
    grant.ttl_ms = grant.ttl_ms.max(duration::millis(ttl));
    tx.send(
        "UPDATE locks SET expires_at = ?2, ttl_ms = ?3 WHERE id = ?1",
        params![grant.id, grant.expires_at, grant.ttl_ms],
    )?;
    event(&grant, "lock.renew").append(
        tx,
        &json!({ "token": grant.token, "expires_at": grant.expires_at }),
        now,
    )?;
    Ok(grant)
}

/// Lengthens the grants of a process that keeps them alive; `None` when one of them is lost.
///
/// Renewing says nothing in the events: a lock that is held for a day would fill them.
pub(crate) fn keep_alive(
    tx: &Connection,
    grants: &[Grant],
    ttl: Duration,
    now: Timestamp,
) -> sql::Result<Option<Timestamp>> {
    let until = now.plus(ttl);
    for grant in grants {
        let n_rows = tx.execute(
            "UPDATE locks SET expires_at = CASE WHEN expires_at > ?2 THEN expires_at ELSE ?2 END WHERE id = ?1 AND expires_at > ?3",
            params![grant.id, until, now],
        )?;
        if n_rows == 0 {
            return Ok(None);
        }
    }
    Ok(Some(until))
}

/// Whether all these grants are still there and unexpired.
pub(crate) fn are_current(
    connection: &Connection,
    grants: &[Grant],
    now: Timestamp,
) -> sql::Result<bool> {
    for grant in grants {
        let n_rows: i64 = connection.query_row(
            "SELECT count(*) FROM locks WHERE id = ?1 AND expires_at > ?2",
            params![grant.id, now],
            |row| row.get(0),
        )?;
        if n_rows == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Lengthens one grant for its holder.
pub(crate) fn renew(
    tx: &Connection,
    grant: Grant,
    ttl: Option<Duration>,
    now: Timestamp,
) -> sql::Result<Grant> {
    let ttl =
        ttl.unwrap_or_else(|| Duration::from_millis(u64::try_from(grant.ttl_ms).unwrap_or(0)));
    extend(tx, grant, ttl, now)
}

/// Gives a grant back. Returns whether it was still there.
pub(crate) fn release(tx: &Connection, grant: &Grant, now: Timestamp) -> sql::Result<bool> {
    end(tx, grant, "lock.release", "released", now)
}

/// Takes a grant away from its holder.
pub(crate) fn break_open(
    tx: &Connection,
    grant: &Grant,
    reason: &str,
    now: Timestamp,
) -> sql::Result<bool> {
    end(tx, grant, "lock.break", reason, now)
}

pub(super) fn end(
    tx: &Connection,
    grant: &Grant,
    kind: &'static str,
    reason: &str,
    now: Timestamp,
) -> sql::Result<bool> {
    let n_rows = tx.execute("DELETE FROM locks WHERE id = ?1", [&grant.id])?;
    if n_rows == 1 {
        event(grant, kind).append(tx, &json!({ "token": grant.token, "reason": reason }), now)?;
    }
    Ok(n_rows == 1)
}
