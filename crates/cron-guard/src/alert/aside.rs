//! Delivers alerts beside the gates, in a process of our own: a channel that hangs must not keep a job waiting,
//! least of all a job that the alert is not about.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a gate looks on: most deliveries are done by then, and who asks next finds them done.
const LOOK_ON: Duration = Duration::from_millis(200);

/// Starts the process that delivers, with the journal and the settings that were named to us.
#[derive(Debug, Clone, Default)]
pub(crate) struct Messenger {
    pub(crate) db: Option<PathBuf>,
    pub(crate) config: Option<PathBuf>,
}

impl Messenger {
    /// Has everything delivered that is due, unless that is under way. What fails here is left to a later gate.
    pub(crate) fn send(&self, journal: &Path) {
        if let Turn::Taken = Turn::take(journal) {
            return;
        }
        let Ok(program) = std::env::current_exe() else { return };
        let mut command = Command::new(program);
        command.args(["alert", "deliver"]);
        // Not as flags: an address can hold a password, and arguments are for all to see.
        for (variable, path) in [("AGENT_STATE_DB", &self.db), ("CRON_GUARD_CONFIG", &self.config)]
        {
            if let Some(path) = path {
                command.env(variable, path);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else { return };
        let until = Instant::now() + LOOK_ON;
        while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The turn to deliver beside the gates: one process at a time, so that a slow channel collects no crowd.
pub(crate) enum Turn {
    /// Ours for as long as the file is open; `None` where there can be no file.
    Ours(#[expect(dead_code, reason = "it is held, not read")] Option<File>),
    /// Somebody else's.
    Taken,
}

impl Turn {
    /// Takes the turn beside this journal, if it is free.
    pub(crate) fn take(journal: &Path) -> Self {
        let mut name = journal.as_os_str().to_owned();
        name.push(".deliver.lock");
        let open =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(name);
        let Ok(file) = open else { return Self::Ours(None) };
        match file.try_lock() {
            Err(std::fs::TryLockError::WouldBlock) => Self::Taken,
            Ok(()) | Err(std::fs::TryLockError::Error(_)) => Self::Ours(Some(file)),
        }
    }
}
