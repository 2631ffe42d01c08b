//! Keeps the lease of a run or of a node, and locks, alive while a command runs, and notices when one is lost.

use std::time::Duration;

use common::child::Watch;
use common::clock::{self, Timestamp};
use common::fleet::runs::{self, RunId};

use super::context::Ctx;
use crate::store::locks::{self, Grant};
use crate::store::tasks;
use crate::task::Node;

/// How often a command that holds locks looks whether they were broken.
const LOOK: Duration = Duration::from_secs(1);

/// How long a look may wait for the database, while it cannot see to the command.
const HURRY: Duration = Duration::from_secs(2);

/// What is kept alive, and until when it lasts without us.
pub(super) struct Keeper<'a> {
    ctx: &'a Ctx,
    run: Option<Lease<'a>>,
    node: Option<NodeLease<'a>>,
    grants: &'a [Grant],
    ttl: Duration,
    /// The locks are ours until then, unless they are renewed.
    held_until: Timestamp,
    renew_at: Timestamp,
}

/// The lease of a run.
struct Lease<'a> {
    run: &'a RunId,
    length: Duration,
    beat_at: Timestamp,
}

/// The lease of a node.
struct NodeLease<'a> {
    node: &'a Node,
    length: Duration,
    /// The node is ours until then, unless the lease is renewed.
    held_until: Timestamp,
    renew_at: Timestamp,
}

impl<'a> Keeper<'a> {
    /// Keeps nothing yet.
    pub(super) fn new(ctx: &'a Ctx) -> Self {
        let now = clock::now();
        Self { ctx, run: None, node: None, grants: &[], ttl: LOOK, held_until: now, renew_at: now }
    }

    /// Keeps locks, which last for `ttl` after each renewal.
    pub(super) fn with_locks(mut self, grants: &'a [Grant], ttl: Duration) -> Self {
        let now = clock::now();
        self.grants = grants;
        self.ttl = ttl;
        self.held_until = grants.iter().map(|grant| grant.expires_at).min().unwrap_or(now);
        self.renew_at = now.plus(ttl / 3);
        self
    }

    /// Keeps the lease of a run, which lasts for `length` after each heartbeat.
    pub(super) fn with_run(mut self, run: &'a RunId, length: Duration) -> Self {
        self.run = Some(Lease { run, length, beat_at: clock::now().plus(length / 3) });
        self
    }

    /// Keeps a node that was given out, under a lease of this length.
    pub(super) fn with_node(mut self, node: &'a Node, length: Duration) -> Self {
        let now = clock::now();
        let held_until = node.lease_until.unwrap_or(now);
        self.node = Some(NodeLease { node, length, held_until, renew_at: now.plus(length / 3) });
        self
    }

    /// How often to look; `None` when there is nothing to keep.
    pub(super) fn interval(&self) -> Option<Duration> {
        let lease = self.run.as_ref().map(|lease| lease.length / 3);
        let locks = (!self.grants.is_empty()).then(|| LOOK.min(self.ttl / 3));
        let node = self.node.as_ref().map(|lease| LOOK.min(lease.length / 3));
        let interval = [lease, locks, node].into_iter().flatten().min()?;
        Some(interval.max(Duration::from_millis(1)))
    }

    /// Renews what is due. A database that cannot be reached ends nothing before the locks run out, and does
    /// not keep the command alive beyond that.
    pub(super) fn look(&mut self) -> Watch {
        let now = clock::now();
        let held_until = self.node.as_ref().map(|lease| lease.held_until);
        let held_until =
            held_until.into_iter().chain((!self.grants.is_empty()).then_some(self.held_until));
        let left = held_until.min().map_or(HURRY, |until| until.since(now) / 4);
        let ctx = self.ctx;
        ctx.within(left.clamp(Duration::from_millis(100), HURRY), || self.renew(now))
    }

    fn renew(&mut self, now: Timestamp) -> Watch {
        if !self.grants.is_empty() && self.locks_are_lost(now) {
            return Watch::Stop;
        }
        if let Some(lease) = &mut self.node
            && lease.is_lost(self.ctx, now)
        {
            return Watch::Stop;
        }
        if let Some(lease) = &mut self.run
            && now >= lease.beat_at
        {
            let beat = self.ctx.note("note a heartbeat in", |tx, now| {
                Ok(runs::heartbeat(tx, lease.run, None, now)?)
            });
            if beat.is_ok() {
                lease.beat_at = now.plus(lease.length / 3);
            }
        }
        Watch::GoOn
    }

    fn locks_are_lost(&mut self, now: Timestamp) -> bool {
        if now >= self.renew_at {
            let renewed = self.ctx.write("renew locks in", |tx, now| {
                Ok(locks::keep_alive(tx, self.grants, self.ttl, now)?)
            });
            match renewed {
                Ok(Some(until)) => {
                    self.held_until = until;
                    self.renew_at = now.plus(self.ttl / 3);
                    return false;
                }
                Ok(None) => return true,
                Err(_) => {}
            }
        } else {
            let current = self.ctx.read("look at locks in", |connection, now| {
                Ok(locks::are_current(connection, self.grants, now)?)
            });
            if let Ok(current) = current {
                return !current;
            }
        }
        clock::now() >= self.held_until
    }
}

impl NodeLease<'_> {
    fn is_lost(&mut self, ctx: &Ctx, now: Timestamp) -> bool {
        if now >= self.renew_at {
            let renewed =
                ctx.write("renew a lease in", |tx, now| Ok(tasks::keep_alive(tx, self.node, now)?));
            match renewed {
                Ok(Some(until)) => {
                    self.held_until = until;
                    self.renew_at = now.plus(self.length / 3);
                    return false;
                }
                Ok(None) => return true,
                Err(_) => {}
            }
        } else {
            let ours = ctx.read("look at a lease in", |connection, now| {
                Ok(tasks::is_ours(connection, self.node, now)?)
            });
            if let Ok(ours) = ours {
                return !ours;
            }
        }
        clock::now() >= self.held_until
    }
}
