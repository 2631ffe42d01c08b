//! Grants, tokens and the queue of those who wait.
//!
//! A request takes all its locks or none, in one transaction. It may be granted when nothing that
//! holds and nobody who came earlier stands in its way, so that two requests cannot wait for each
//! other. Grants that hold no longer are taken away by whoever meets them.

use std::time::Duration;

use common::clock::Timestamp;
use common::duration;
use common::fleet::agents::AgentId;
use common::fleet::events::Event;
use common::fleet::liveness::{Fate, Here, Holder};
use common::fleet::new_id;
use common::fleet::runs::RunId;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::json;

use super::{holder_from_row, is_running, next};
use crate::lock::{Claim, Lapse, lapse};

/// A waiter that was not seen for so long is passed over; it queues again when it wakes up.
const WAITER_PATIENCE: Duration = Duration::from_secs(5);

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

    fn claim(&self) -> Claim {
        Claim { resource: self.resource.clone(), shared: self.shared, is_path: self.is_path }
    }
}

/// Who asks for locks, and what for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Sorted by resource, without doubles.
    pub(crate) claims: Vec<Claim>,
    pub(crate) agent: Option<AgentId>,
    pub(crate) run: Option<RunId>,
    pub(crate) reason: Option<String>,
    pub(crate) ttl: Duration,
    /// Whose other grants do not stand in the way, for a step inside of what they protect.
    pub(crate) under: Option<Owner>,
    /// The process that the grants belong to; without one they belong to agent and run.
    pub(crate) holder: Option<Holder>,
    /// The process that waits for them.
    pub(crate) waiter: Option<Holder>,
}

/// An agent in one of its runs, or outside of any.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) agent: AgentId,
    pub(crate) run: Option<RunId>,
}

/// What stands in the way of a request.
#[derive(Debug, Clone)]
pub(crate) struct Blocked {
    pub(crate) resource: String,
    pub(crate) grant: Option<Grant>,
    pub(crate) n_ahead: usize,
    /// The place in the queue, for those who wait.
    pub(crate) ticket: Option<i64>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// One grant for each claim, in their order.
    Granted(Vec<Grant>),
    Blocked(Box<Blocked>),
}

const SELECT: &str =
    "SELECT l.id, l.resource, l.token, l.shared, l.is_path, l.agent_id, a.name, l.run_id, l.reason,
        l.acquired_at, l.ttl_ms, l.expires_at, l.host, l.boot_id, l.pid_space, l.pid, l.pid_started
   FROM locks l LEFT JOIN agents a ON a.id = l.agent_id";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Grant> {
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
fn lapse_of(
    connection: &Connection,
    grant: &Grant,
    here: &Here,
    now: Timestamp,
) -> rusqlite::Result<Option<Lapse>> {
    let run_is_running = is_running(connection, grant.run_id.as_ref(), here, now)?;
    Ok(lapse(grant.expires_at, grant.holder.as_ref(), run_is_running, here, now))
}

fn select(
    connection: &Connection,
    clause: &str,
    values: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Vec<Grant>> {
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
) -> rusqlite::Result<Vec<Grant>> {
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
) -> rusqlite::Result<Vec<Grant>> {
    still_held(connection, select(connection, "l.expires_at > ?1", &[&now])?, here, now)
}

/// Grants that hold no longer and that nobody has taken away yet.
pub(crate) fn lapsed(
    connection: &Connection,
    here: &Here,
    now: Timestamp,
) -> rusqlite::Result<Vec<Grant>> {
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
) -> rusqlite::Result<Vec<Grant>> {
    still_held(connection, select(connection, "l.resource = ?1", &[&resource])?, here, now)
}

/// The grants that touch a claim, held or lapsed.
fn touching(connection: &Connection, claim: &Claim) -> rusqlite::Result<Vec<Grant>> {
    let clause = if claim.is_path { "l.is_path = 1 OR l.resource = ?1" } else { "l.resource = ?1" };
    select(connection, clause, &[&claim.resource])
}

/// Grants all claims of the request, or none. With a `ticket`, or when `queue` is set, a request that is
/// blocked keeps its place in the queue.
pub(crate) fn request(
    tx: &Connection,
    request: &Request,
    ticket: Option<i64>,
    queue: bool,
    here: &Here,
    now: Timestamp,
) -> rusqlite::Result<Answer> {
    sweep(tx, now)?;
    let mut own = Vec::with_capacity(request.claims.len());
    let mut blocked: Option<Blocked> = None;
    for claim in &request.claims {
        let mut mine = None;
        for grant in touching(tx, claim)? {
            if let Some(lapse) = lapse_of(tx, &grant, here, now)? {
                end(tx, &grant, "lock.lapse", lapse.as_str(), now)?;
            } else if request.owns(&grant) && grant.resource == claim.resource {
                mine = Some(grant);
            } else if request.is_stopped_by(claim, &grant) && blocked.is_none() {
                blocked = Some(Blocked {
                    resource: claim.resource.clone(),
                    grant: Some(grant),
                    n_ahead: 0,
                    ticket,
                });
            }
        }
        // What one already holds needs no turn.
        let n_ahead = if mine.is_some() { 0 } else { waiters_ahead(tx, claim, ticket, here, now)? };
        if let Some(blocked) = &mut blocked {
            blocked.n_ahead = blocked.n_ahead.max(n_ahead);
        } else if n_ahead > 0 {
            blocked =
                Some(Blocked { resource: claim.resource.clone(), grant: None, n_ahead, ticket });
        }
        own.push(mine);
    }
    if let Some(mut blocked) = blocked {
        if ticket.is_some() || queue {
            blocked.ticket = Some(stand_in_line(tx, request, ticket, now)?);
        }
        return Ok(Answer::Blocked(Box::new(blocked)));
    }
    if let Some(ticket) = ticket {
        withdraw(tx, ticket)?;
    }
    let mut grants = Vec::with_capacity(own.len());
    for (claim, mine) in request.claims.iter().zip(own) {
        grants.push(match mine {
            Some(grant) if claim.shared || !grant.shared => extend(tx, grant, request.ttl, now)?,
            Some(shared) => {
                end(tx, &shared, "lock.release", "upgraded", now)?;
                grant(tx, request, claim, now)?
            }
            None => grant(tx, request, claim, now)?,
        });
    }
    Ok(Answer::Granted(grants))
}

impl Request {
    /// Whether a grant that holds stands in the way of one of the claims.
    fn is_stopped_by(&self, claim: &Claim, grant: &Grant) -> bool {
        let is_under = self.under.as_ref().is_some_and(|owner| {
            Some(&owner.agent) == grant.agent_id.as_ref()
                && owner.run == grant.run_id
                && (owner.run.is_some() || grant.holder.is_none())
        });
        claim.conflicts_with(&grant.claim()) && !self.owns(grant) && !is_under
    }

    /// Whether a grant is this request's own already: the same agent in the same run, or outside of any.
    ///
    /// A grant that belongs to a process is that process's alone.
    fn owns(&self, grant: &Grant) -> bool {
        self.holder.is_none()
            && self.agent.is_some()
            && self.agent == grant.agent_id
            && self.run == grant.run_id
            && (grant.holder.is_none() || self.run.is_some())
    }
}

fn grant(
    tx: &Connection,
    request: &Request,
    claim: &Claim,
    now: Timestamp,
) -> rusqlite::Result<Grant> {
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
    tx.execute(
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

fn agent_name(tx: &Connection, agent: Option<&AgentId>) -> rusqlite::Result<Option<String>> {
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
fn extend(
    tx: &Connection,
    mut grant: Grant,
    ttl: Duration,
    now: Timestamp,
) -> rusqlite::Result<Grant> {
    grant.expires_at = grant.expires_at.max(now.plus(ttl));
    grant.ttl_ms = grant.ttl_ms.max(duration::millis(ttl));
    tx.execute(
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
) -> rusqlite::Result<Option<Timestamp>> {
    let until = now.plus(ttl);
    for grant in grants {
        let n_rows = tx.execute(
            "UPDATE locks SET expires_at = max(expires_at, ?2) WHERE id = ?1 AND expires_at > ?3",
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
) -> rusqlite::Result<bool> {
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
) -> rusqlite::Result<Grant> {
    let ttl =
        ttl.unwrap_or_else(|| Duration::from_millis(u64::try_from(grant.ttl_ms).unwrap_or(0)));
    extend(tx, grant, ttl, now)
}

/// Gives a grant back. Returns whether it was still there.
pub(crate) fn release(tx: &Connection, grant: &Grant, now: Timestamp) -> rusqlite::Result<bool> {
    end(tx, grant, "lock.release", "released", now)
}

/// Takes a grant away from its holder.
pub(crate) fn break_open(
    tx: &Connection,
    grant: &Grant,
    reason: &str,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    end(tx, grant, "lock.break", reason, now)
}

fn end(
    tx: &Connection,
    grant: &Grant,
    kind: &'static str,
    reason: &str,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let n_rows = tx.execute("DELETE FROM locks WHERE id = ?1", [&grant.id])?;
    if n_rows == 1 {
        event(grant, kind).append(tx, &json!({ "token": grant.token, "reason": reason }), now)?;
    }
    Ok(n_rows == 1)
}

/// Takes away what expired and nobody asked for since.
fn sweep(tx: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    for grant in select(tx, "l.expires_at <= ?1", &[&now])? {
        end(tx, &grant, "lock.lapse", Lapse::Expired.as_str(), now)?;
    }
    Ok(())
}

/// Somebody in the queue.
#[derive(Debug, Clone)]
struct Waiter {
    ticket: i64,
    claim: Claim,
    seen_at: Timestamp,
    process: Option<Holder>,
}

impl Waiter {
    /// Whether it died, or sleeps so deeply that the others need not wait for it.
    fn is_lost(&self, here: &Here, now: Timestamp) -> bool {
        let fate = self.process.as_ref().map_or(Fate::Unknown, |process| process.fate(here));
        matches!(fate, Fate::Gone | Fate::Rebooted) || self.seen_at.plus(WAITER_PATIENCE) <= now
    }
}

/// Those that came before `ticket`, or all, and wait for something that touches the claim.
fn waiters_before(
    connection: &Connection,
    claim: &Claim,
    ticket: Option<i64>,
) -> rusqlite::Result<Vec<Waiter>> {
    let clause = if claim.is_path { "is_path = 1 OR resource = ?1" } else { "resource = ?1" };
    connection
        .prepare(&format!(
            "SELECT ticket, resource, shared, is_path, seen_at, host, boot_id, pid_space, pid, pid_started
               FROM lock_waiters WHERE ({clause}) AND ticket < ?2"
        ))?
        .query_map(params![claim.resource, ticket.unwrap_or(i64::MAX)], waiter_from_row)?
        .collect()
}

/// How many that came before `ticket` wait for something that conflicts; lost ones are dropped.
fn waiters_ahead(
    tx: &Connection,
    claim: &Claim,
    ticket: Option<i64>,
    here: &Here,
    now: Timestamp,
) -> rusqlite::Result<usize> {
    let mut n_ahead = 0;
    for waiter in waiters_before(tx, claim, ticket)? {
        if waiter.is_lost(here, now) {
            withdraw(tx, waiter.ticket)?;
        } else if claim.conflicts_with(&waiter.claim) {
            n_ahead += 1;
        }
    }
    Ok(n_ahead)
}

/// Whether a try is worth a transaction: nothing that holds, and nobody earlier, is in sight.
pub(crate) fn seems_free(
    connection: &Connection,
    request: &Request,
    ticket: Option<i64>,
    here: &Here,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    for claim in &request.claims {
        for grant in touching(connection, claim)? {
            if request.is_stopped_by(claim, &grant)
                && lapse_of(connection, &grant, here, now)?.is_none()
            {
                return Ok(false);
            }
        }
        let ahead = waiters_before(connection, claim, ticket)?;
        if ahead
            .iter()
            .any(|waiter| claim.conflicts_with(&waiter.claim) && !waiter.is_lost(here, now))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Somebody who waits, for people to see.
#[derive(Debug, Serialize)]
pub(crate) struct Waiting {
    pub(crate) resource: String,
    pub(crate) agent: Option<String>,
    pub(crate) run_id: Option<RunId>,
    pub(crate) since: Timestamp,
}

/// Who waits for locks, in their order.
pub(crate) fn waiting(
    connection: &Connection,
    here: &Here,
    now: Timestamp,
) -> rusqlite::Result<Vec<Waiting>> {
    let mut statement = connection.prepare(
        "SELECT w.ticket, w.resource, w.shared, w.is_path, w.seen_at, w.host, w.boot_id, w.pid_space, w.pid,
                w.pid_started, a.name, w.run_id, w.since
           FROM lock_waiters w LEFT JOIN agents a ON a.id = w.agent_id ORDER BY w.ticket, w.resource",
    )?;
    let mut rows = statement.query([])?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        let waiter = waiter_from_row(row)?;
        if !waiter.is_lost(here, now) {
            waiting.push(Waiting {
                resource: waiter.claim.resource,
                agent: row.get(10)?,
                run_id: row.get(11)?,
                since: row.get(12)?,
            });
        }
    }
    Ok(waiting)
}

fn waiter_from_row(row: &Row<'_>) -> rusqlite::Result<Waiter> {
    Ok(Waiter {
        ticket: row.get(0)?,
        claim: Claim { resource: row.get(1)?, shared: row.get(2)?, is_path: row.get(3)? },
        seen_at: row.get(4)?,
        process: holder_from_row(row, 5)?,
    })
}

/// Notes that the request waits. Returns its ticket, a new one when the old was dropped meanwhile.
fn stand_in_line(
    tx: &Connection,
    request: &Request,
    ticket: Option<i64>,
    now: Timestamp,
) -> rusqlite::Result<i64> {
    if let Some(ticket) = ticket {
        let n_rows = tx.execute(
            "UPDATE lock_waiters SET seen_at = ?2 WHERE ticket = ?1",
            params![ticket, now],
        )?;
        if n_rows > 0 {
            return Ok(ticket);
        }
    }
    let ticket = next(tx, "lock_ticket")?;
    let waiter = request.waiter.as_ref();
    for claim in &request.claims {
        tx.execute(
            "INSERT INTO lock_waiters (ticket, resource, shared, is_path, agent_id, run_id, since, seen_at,
                                       host, boot_id, pid_space, pid, pid_started)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                ticket,
                claim.resource,
                claim.shared,
                claim.is_path,
                request.agent,
                request.run,
                now,
                waiter.map(|waiter| &waiter.host),
                waiter.map(|waiter| &waiter.boot_id),
                waiter.map(|waiter| &waiter.pid_space),
                waiter.map(|waiter| waiter.pid),
                waiter.map(|waiter| waiter.pid_started),
            ],
        )?;
    }
    Ok(ticket)
}

/// Leaves the queue.
pub(crate) fn withdraw(tx: &Connection, ticket: i64) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM lock_waiters WHERE ticket = ?1", [ticket])?;
    Ok(())
}
