//! The socket: private from birth, one daemon to a home, a stale one replaced, a live one never.

use std::io;
use std::os::unix::net::UnixListener;

use common::daemon::{Listening, OnlyOne, Turn};
use rustix::fs::FlockOperation;

use crate::error::Error;
use crate::home::{Home, check_private, check_socket, open_private};

/// Takes the lock that makes a daemon the only one of its home; an error names the daemon that has it.
pub(super) fn take_turn(home: &Home) -> Result<OnlyOne, Error> {
    let path = home.lock();
    check_private(&path)?;
    match OnlyOne::take(&path)? {
        Turn::Ours(only) => Ok(only),
        Turn::Taken(pid) => Err(Error::AlreadyRunning { pid: pid.unwrap_or(0) }),
    }
}

/// Whether a daemon holds the lock of this home.
pub(crate) fn is_running(home: &Home) -> bool {
    let Ok(file) = open_private(&home.lock(), false) else { return false };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            let _ = rustix::fs::flock(&file, FlockOperation::Unlock);
            false
        }
        Err(_) => true,
    }
}

/// Where clients come in.
pub(super) enum Door {
    /// The socket of a home, which goes away with the daemon.
    Own(Listening),
    /// A socket that the system passed; its path belongs to the system.
    Passed(UnixListener),
}

impl Door {
    /// Binds the socket of a home. Call with the lock held.
    pub(super) fn bind(home: &Home) -> Result<Self, Error> {
        let path = home.socket();
        check_socket(&path)?;
        Listening::bind(&path).map(Self::Own).map_err(|error| match &error {
            common::Error::File { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Error::SocketTaken { socket: path }
            }
            common::Error::File { source, .. }
                if source.kind() == io::ErrorKind::InvalidFilename =>
            {
                Error::SocketPath { socket: path }
            }
            _ => error.into(),
        })
    }

    pub(super) fn listener(&self) -> &UnixListener {
        match self {
            Self::Own(listening) => listening.listener(),
            Self::Passed(listener) => listener,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::net::UnixStream;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(Some(folder.path().join("home")), None).unwrap();
        home.make().unwrap();
        (folder, home)
    }

    #[test]
    fn the_lock_has_one_holder_and_names_it() {
        let (_folder, home) = home();
        assert!(!is_running(&home));
        let only = take_turn(&home).unwrap();
        assert!(is_running(&home));
        let Err(Error::AlreadyRunning { pid }) = take_turn(&home) else { panic!() };
        assert_eq!(pid, std::process::id());
        drop(only);
        assert!(take_turn(&home).is_ok());
    }

    #[test]
    fn a_stale_socket_is_replaced_a_live_one_is_not_and_another_file_is_refused() {
        let (_folder, home) = home();
        drop(UnixListener::bind(home.socket()).unwrap());
        std::fs::set_permissions(home.socket(), std::fs::Permissions::from_mode(0o600)).unwrap();
        let door = Door::bind(&home).unwrap();
        assert_eq!(home.socket().symlink_metadata().unwrap().mode() & 0o777, 0o600);
        assert!(UnixStream::connect(home.socket()).is_ok());
        assert!(matches!(Door::bind(&home), Err(Error::SocketTaken { .. })));
        drop(door);
        assert!(!home.socket().exists());
        drop(common::place::private_file(&home.socket()).unwrap());
        assert!(matches!(Door::bind(&home), Err(Error::Unsafe { .. })));
        std::fs::remove_file(home.socket()).unwrap();
        std::os::unix::fs::symlink("/nonexistent", home.socket()).unwrap();
        assert!(matches!(Door::bind(&home), Err(Error::Unsafe { .. })));
    }
}
