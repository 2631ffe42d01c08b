//! The queue of those who wait: first come, first served, and the lost are passed over.

use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::liveness::{Fate, Here, Holder};
use common::fleet::runs::RunId;
use common::sql::{self, Connection, Row, params};
use serde::Serialize;

use super::super::{holder_from_row, next};
use super::Request;
use crate::lock::Claim;

/// A waiter that was not seen for so long is passed over; it queues again when it wakes up.
const WAITER_PATIENCE: Duration = Duration::from_secs(5);

/// Somebody in the queue.
#[derive(Debug, Clone)]
pub(super) struct Waiter {
    ticket: i64,
    pub(super) claim: Claim,
    seen_at: Timestamp,
    process: Option<Holder>,
}

impl Waiter {
    /// Whether it died, or sleeps so deeply that the others need not wait for it.
    pub(super) fn is_lost(&self, here: &Here, now: Timestamp) -> bool {
        let fate = self.process.as_ref().map_or(Fate::Unknown, |process| process.fate(here));
        matches!(fate, Fate::Gone | Fate::Rebooted) || self.seen_at.plus(WAITER_PATIENCE) <= now
    }
}

/// Those that came before `ticket`, or all, and wait for something that touches the claim.
pub(super) fn waiters_before(
    connection: &Connection,
    claim: &Claim,
    ticket: Option<i64>,
) -> sql::Result<Vec<Waiter>> {
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
pub(super) fn waiters_ahead(
    tx: &Connection,
    claim: &Claim,
    ticket: Option<i64>,
    here: &Here,
    now: Timestamp,
) -> sql::Result<usize> {
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
) -> sql::Result<Vec<Waiting>> {
    let mut statement = connection.prepare(
        "SELECT w.ticket, w.resource, w.shared, w.is_path, w.seen_at, w.host, w.boot_id, w.pid_space, w.pid,
                w.pid_started, a.name, w.run_id, w.since
           FROM lock_waiters w LEFT JOIN agents a ON a.id = w.agent_id ORDER BY w.ticket, w.resource",
    )?;
    let mut rows = statement.query([])?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        let waiter = waiter_from_row(&row)?;
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

fn waiter_from_row(row: &Row<'_>) -> sql::Result<Waiter> {
    Ok(Waiter {
        ticket: row.get(0)?,
        claim: Claim { resource: row.get(1)?, shared: row.get(2)?, is_path: row.get(3)? },
        seen_at: row.get(4)?,
        process: holder_from_row(row, 5)?,
    })
}

/// Notes that the request waits. Returns its ticket, a new one when the old was dropped meanwhile.
pub(super) fn stand_in_line(
    tx: &Connection,
    request: &Request,
    ticket: Option<i64>,
    now: Timestamp,
) -> sql::Result<i64> {
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
        tx.send(
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
pub(crate) fn withdraw(tx: &Connection, ticket: i64) -> sql::Result<()> {
    tx.send("DELETE FROM lock_waiters WHERE ticket = ?1", [ticket])?;
    Ok(())
}
