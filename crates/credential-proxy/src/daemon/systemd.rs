//! What systemd and a daemon say to each other: the passed socket, readiness, the watchdog.

use std::cell::Cell;
use std::ffi::OsString;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use super::Surroundings;
use crate::sys;

/// The socket that systemd listens on for us, when it passed one to this very process.
pub(super) fn activated(surroundings: &Surroundings) -> Option<UnixListener> {
    let (pid, n_sockets) = surroundings.activation?;
    (pid == std::process::id() && n_sockets >= 1)
        .then(|| UnixListener::from(sys::activation_socket()))
}

/// Tells systemd how the daemon is; without a socket to tell it to, says nothing.
pub(super) struct Notifier {
    to: Option<OsString>,
    watchdog_millis: Option<i64>,
    told_alive: Cell<Option<Instant>>,
}

impl Notifier {
    pub(super) fn new(surroundings: &Surroundings) -> Self {
        let watchdog_millis = surroundings
            .watchdog_micros
            .map(|micros| i64::try_from(micros / 2000).unwrap_or(i64::MAX).max(1));
        Self { to: surroundings.notify.clone(), watchdog_millis, told_alive: Cell::new(None) }
    }

    pub(super) fn ready(&self) {
        self.tell("READY=1\nSTATUS=serving");
    }

    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// The accepting thread came round.
    pub(super) fn alive(&self) {
        let Some(interval) = self.watchdog_millis else { return };
        // It comes round more often than systemd wants to hear.
        let pause = Duration::from_millis(u64::try_from(interval / 2).unwrap_or_default());
        if self.told_alive.get().is_none_or(|at| at.elapsed() >= pause) {
            self.told_alive.set(Some(Instant::now()));
            self.tell("WATCHDOG=1");
        }
    }

    /// How long the accepting thread may sleep.
    pub(super) fn interval_millis(&self) -> i64 {
        self.watchdog_millis.unwrap_or(3_600_000).min(3_600_000)
    }

    fn tell(&self, what: &str) {
        if let Some(to) = &self.to {
            common::daemon::tell(to, what);
        }
    }
}
