//! The socket: private from birth, one daemon to a home, a stale one replaced, a live one never.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use common::daemon;
use rustix::fs::FlockOperation;

use crate::error::Error;
use crate::home::{AtSocket, Home, check_socket, open_private};

/// The lock that makes a daemon the only one of its home. The file is never removed: somebody may
/// already wait for the lock of this very file.
pub(crate) struct OnlyOne {
    _file: File,
}

impl OnlyOne {
    /// Takes the lock; an error names the daemon that has it.
    pub(crate) fn take(home: &Home) -> Result<Self, Error> {
        let path = home.lock();
        let mut file = match common::place::private_file(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                open_private(&path, true)?
            }
            Err(error) => return Err(common::error::file("create", &path)(error).into()),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Err(Error::AlreadyRunning { pid: text.trim().parse().unwrap_or(0) });
            }
            Err(error) => return Err(common::error::file("lock", &path)(error.into()).into()),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(common::error::file("write", &path))?;
        Ok(Self { _file: file })
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

/// A listening socket; the path is removed at the end if it still leads to it.
pub(crate) struct Listening {
    pub(crate) listener: UnixListener,
    path: Option<(PathBuf, u64, u64)>,
}

impl Listening {
    /// Takes over a socket that the system passed; its path belongs to the system.
    pub(crate) fn adopt(listener: UnixListener) -> Self {
        Self { listener, path: None }
    }

    /// Binds the socket of a home. Call with the lock held.
    pub(crate) fn bind(home: &Home) -> Result<Self, Error> {
        let path = home.socket();
        if check_socket(&path)? == AtSocket::Socket && UnixStream::connect(&path).is_ok() {
            return Err(Error::SocketTaken { socket: path });
        }
        let listener = daemon::bind_private(&path).map_err(|source| match source.kind() {
            io::ErrorKind::InvalidFilename => Error::SocketPath { socket: path.clone() },
            _ => common::error::file("create the socket", &path)(source).into(),
        })?;
        let found = path.symlink_metadata().map_err(common::error::file("look at", &path))?;
        Ok(Self { listener, path: Some((path, found.dev(), found.ino())) })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some((path, dev, ino)) = &self.path else { return };
        let is_ours =
            path.symlink_metadata().is_ok_and(|found| (found.dev(), found.ino()) == (*dev, *ino));
        if is_ours {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

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
        let only = OnlyOne::take(&home).unwrap();
        assert!(is_running(&home));
        let Err(Error::AlreadyRunning { pid }) = OnlyOne::take(&home) else { panic!() };
        assert_eq!(pid, std::process::id());
        drop(only);
        assert!(OnlyOne::take(&home).is_ok());
    }

    #[test]
    fn a_stale_socket_is_replaced_a_live_one_is_not_and_another_file_is_refused() {
        let (_folder, home) = home();
        drop(std::os::unix::net::UnixListener::bind(home.socket()).unwrap());
        std::fs::set_permissions(home.socket(), std::fs::Permissions::from_mode(0o600)).unwrap();
        let listening = Listening::bind(&home).unwrap();
        assert_eq!(home.socket().symlink_metadata().unwrap().mode() & 0o777, 0o600);
        assert!(UnixStream::connect(home.socket()).is_ok());
        assert!(matches!(Listening::bind(&home), Err(Error::SocketTaken { .. })));
        drop(listening);
        assert!(!home.socket().exists());
        drop(common::place::private_file(&home.socket()).unwrap());
        assert!(matches!(Listening::bind(&home), Err(Error::Unsafe { .. })));
        std::fs::remove_file(home.socket()).unwrap();
        std::os::unix::fs::symlink("/nonexistent", home.socket()).unwrap();
        assert!(matches!(Listening::bind(&home), Err(Error::Unsafe { .. })));
    }
}
