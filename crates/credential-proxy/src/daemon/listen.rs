//! The socket: private from birth, one daemon to a home, a stale one replaced, a live one never.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::error::Error;
use crate::home::{AtSocket, Home, check_socket, open_private};

/// As many connections as the system lets wait.
const BACKLOG: i32 = 4096;

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
        let listener = bind_private(&path)?;
        let found = path.symlink_metadata().map_err(common::error::file("look at", &path))?;
        Ok(Self { listener, path: Some((path, found.dev(), found.ino())) })
    }
}

/// macOS has no flag for this; nothing is started between the socket and the call that closes it to children.
#[cfg(target_vendor = "apple")]
const FLAGS: SocketFlags = SocketFlags::empty();
#[cfg(not(target_vendor = "apple"))]
const FLAGS: SocketFlags = SocketFlags::CLOEXEC;

/// Binds beside the path and renames into place: nobody sees a socket that does not listen yet,
/// and a stale one is replaced without a gap.
fn bind_private(path: &Path) -> Result<UnixListener, Error> {
    let mut staging = path.as_os_str().to_owned();
    staging.push(".new");
    let staging = PathBuf::from(staging);
    let failed = |source: io::Error| -> Error {
        common::error::file("create the socket", path)(source).into()
    };
    let address = SocketAddrUnix::new(&staging)
        .map_err(|_| Error::SocketPath { socket: path.to_path_buf() })?;
    // Only the holder of the lock comes here, so what lies there was left by a killed one.
    match std::fs::remove_file(&staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let bound = (|| {
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
        rustix::io::ioctl_fioclex(&socket)?;
        // On Linux the mode of the descriptor is that of the file from its first moment, whatever
        // the umask is; elsewhere the private directory protects it until the next line.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        rustix::net::bind(&socket, &address)?;
        rustix::fs::chmod(&staging, Mode::RUSR | Mode::WUSR)?;
        rustix::net::listen(&socket, BACKLOG)?;
        rustix::fs::rename(&staging, path)?;
        Ok::<_, rustix::io::Errno>(UnixListener::from(socket))
    })();
    bound.map_err(|error| {
        let _ = std::fs::remove_file(&staging);
        failed(error.into())
    })
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
