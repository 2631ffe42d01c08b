//! One command at a time changes `guard.toml`: an edit is read, changed and written under one lock.
//!
//! The lock is on the folder of the file, so that no lock file litters a repository, and it ends with the
//! process that has it. Who only reads needs none: the file is replaced whole.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use common::place;

use super::Settings;
use crate::error::Error;

/// How long one command waits for another to end its change.
const PATIENCE: Duration = Duration::from_secs(10);

/// Until this is dropped no other command changes the settings.
pub(crate) struct Turn {
    _lock: Option<File>,
}

impl Settings {
    /// Waits for the turn to change the file, then reads it.
    pub(crate) fn load_to_change(given: Option<&Path>) -> anyhow::Result<(Self, Turn)> {
        let lock = turn(&Self::path(given)?, PATIENCE)?;
        Ok((Self::load(given)?, Turn { _lock: lock }))
    }

    /// The same for a command that creates the file where there is none.
    pub(crate) fn load_to_add(given: Option<&Path>) -> anyhow::Result<(Self, Turn)> {
        let lock = turn(&Self::path(given)?, PATIENCE)?;
        Ok((Self::load_or_new(given)?, Turn { _lock: lock }))
    }
}

/// The folder in which the file is written: where a link leads, the link stays.
fn folder(path: &Path) -> PathBuf {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// `None` where the file system has no such locks: an edit by one person must not fail for that.
fn turn(path: &Path, patience: Duration) -> anyhow::Result<Option<File>> {
    let folder = folder(path);
    place::private_dir(&folder)?;
    let Ok(lock) = File::open(&folder) else { return Ok(None) };
    let until = Instant::now() + patience;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(Error::SettingsBusy { path: path.to_path_buf() }.into());
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_for_another_edit_ends_and_a_link_shares_the_turn_of_its_file() {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().join("repository/guard.toml");
        let link = home.path().join("link.toml");
        let first = turn(&real, Duration::ZERO).unwrap();
        common::atomic::write(&real, b"", 0o600).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let error = turn(&link, Duration::from_millis(20)).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Error::SettingsBusy { .. })), "{error}");
        drop(first);
        assert!(turn(&link, Duration::ZERO).unwrap().is_some());
    }
}
