//! Who may do what: grants, how often they were used, and the tokens that `exec` lends its child.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use common::clock::Timestamp;

use super::snapshot::Snapshot;
use crate::grant::{self, Denial, Grant};
use crate::protocol::Mode;
use crate::secret::Secret;

/// What is known beyond the grants of the vault; it ends with the daemon.
#[derive(Default)]
pub(crate) struct Rights {
    uses: Mutex<HashMap<i64, VecDeque<Instant>>>,
    /// From the hash of a lent token to the grant that it stands for; `None` before there is any grant.
    lent: Mutex<HashMap<String, Option<i64>>>,
    n_lent: AtomicU64,
}

/// Who asks, once that is known.
pub(crate) struct Holder<'a> {
    /// `None` when no token is required and none was sent.
    grant: Option<&'a Grant>,
    is_lent: bool,
}

impl Holder<'_> {
    /// For the audit trail.
    pub(crate) fn name(&self) -> Option<String> {
        match (self.grant, self.is_lent) {
            (Some(grant), true) => Some(format!("{} (lent by exec)", grant.name)),
            (Some(grant), false) => Some(grant.name.clone()),
            (None, true) => Some("(lent by exec)".to_owned()),
            (None, false) => None,
        }
    }

    /// Whether the service may be named to this holder.
    pub(crate) fn may_see(&self, service: &str) -> bool {
        self.grant.is_none_or(|grant| grant.may_see(service))
    }

    /// Whether this holder may only inject the service, so that the caller has to be `exec`.
    pub(crate) fn is_inject_only(&self, service: &str, now: Timestamp) -> bool {
        self.grant.is_some_and(|grant| grant.check(service, Mode::Print, now).is_err())
    }
}

impl Rights {
    /// Finds out who asks. `Err` when a token is required and this is none.
    pub(crate) fn holder<'a>(
        &self,
        snapshot: &'a Snapshot,
        token: Option<&str>,
    ) -> Result<Holder<'a>, Denial> {
        let Some(token) = token else {
            return if snapshot.requires_token() {
                Err(Denial::NoToken)
            } else {
                Ok(Holder { grant: None, is_lent: false })
            };
        };
        if let Some(grant) = grant::find(snapshot.grants(), token) {
            return Ok(Holder { grant: Some(grant), is_lent: false });
        }
        if self.n_lent.load(Ordering::Relaxed) > 0 {
            let lent = self
                .lent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&grant::hash(token))
                .copied();
            match lent {
                // The grant behind it may have been revoked meanwhile.
                Some(Some(id)) => {
                    let found = snapshot.grants().iter().find(|grant| grant.id == id);
                    return found
                        .map(|grant| Holder { grant: Some(grant), is_lent: true })
                        .ok_or(Denial::UnknownToken);
                }
                Some(None) if !snapshot.requires_token() => {
                    return Ok(Holder { grant: None, is_lent: true });
                }
                _ => {}
            }
        }
        // Where no token is required, one of another time or another machine does no harm.
        if snapshot.requires_token() {
            Err(Denial::UnknownToken)
        } else {
            Ok(Holder { grant: None, is_lent: false })
        }
    }

    /// Whether the holder may use the service in this mode now; a use is counted.
    pub(crate) fn check(
        &self,
        holder: &Holder<'_>,
        service: &str,
        mode: Mode,
        now: Timestamp,
    ) -> Result<(), Denial> {
        let Some(grant) = holder.grant else { return Ok(()) };
        grant.check(service, mode, now)?;
        match grant.rate {
            Some(rate) if mode != Mode::Show => {
                let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
                let uses = uses.entry(grant.id).or_default();
                while uses.front().is_some_and(|at| at.elapsed() >= rate.per) {
                    uses.pop_front();
                }
                if uses.len() >= usize::try_from(rate.n_uses).unwrap_or(usize::MAX) {
                    return Err(Denial::TooOften { name: grant.name.clone(), rate });
                }
                uses.push_back(Instant::now());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Lends the holder's rights to a new token, until [`Rights::take_back`].
    pub(crate) fn lend(&self, holder: &Holder<'_>) -> Secret {
        let token = grant::new_token();
        let id = holder.grant.map(|grant| grant.id);
        self.lent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(grant::hash(token.expose()), id);
        self.n_lent.fetch_add(1, Ordering::Relaxed);
        token
    }

    /// Ends a lent token.
    pub(crate) fn take_back(&self, hash: &str) {
        if self.lent.lock().unwrap_or_else(PoisonError::into_inner).remove(hash).is_some() {
            self.n_lent.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
