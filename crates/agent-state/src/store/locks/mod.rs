//! Grants, tokens and the queue of those who wait.
//!
//! A request takes all its locks or none, in one transaction. It may be granted when nothing that
//! holds and nobody who came earlier stands in its way, so that two requests cannot wait for each
//! other. Grants that hold no longer are taken away by whoever meets them.

mod grants;
mod queue;

use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::agents::AgentId;
use common::fleet::liveness::{Here, Holder};
use common::fleet::runs::RunId;
use common::sql::{self, Connection};

use super::{Stop, must_go_on};
use crate::lock::{Claim, Lapse};
pub(crate) use grants::{
    Grant, are_current, break_open, held, holders, in_the_way, keep_alive, lapsed, release, renew,
};
use grants::{end, extend, grant, lapse_of, select, touching};
pub(crate) use queue::{Waiting, waiting, withdraw};
use queue::{stand_in_line, waiters_ahead, waiters_before};

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

/// Grants all claims of the request, or none. With a `ticket`, or when `queue` is set, a request that is
/// blocked keeps its place in the queue. One for a run that has ended is refused.
pub(crate) fn request(
    tx: &Connection,
    request: &Request,
    ticket: Option<i64>,
    queue: bool,
    here: &Here,
    now: Timestamp,
) -> Result<Answer, Stop> {
    sweep(tx, now)?;
    if let Err(stop) = must_go_on(tx, request.run.as_ref(), here, now) {
        if let Some(ticket) = ticket {
            withdraw(tx, ticket)?;
        }
        return Err(stop);
    }
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

/// Takes away what expired and nobody asked for since.
fn sweep(tx: &Connection, now: Timestamp) -> sql::Result<()> {
    for grant in select(tx, "l.expires_at <= ?1", &[&now])? {
        end(tx, &grant, "lock.lapse", Lapse::Expired.as_str(), now)?;
    }
    Ok(())
}

/// Whether a try is worth a transaction: nothing that holds, and nobody earlier, is in sight.
pub(crate) fn seems_free(
    connection: &Connection,
    request: &Request,
    ticket: Option<i64>,
    here: &Here,
    now: Timestamp,
) -> sql::Result<bool> {
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
