//! Where the vault, its key, the socket and the rest are, and whether they are safe to use.
//!
//! Everything hangs on one directory, 0700 and ours. A file in it that is a symbolic link,
//! another user's, a directory, or open to others is refused before it is read.

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use common::place;

use crate::error::{Error, Unsafe};

/// The directory of the vault and the paths in it.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    socket: Option<PathBuf>,
}

impl Home {
    /// The directory that was named, or the one below the home directory.
    pub(crate) fn new(
        dir: Option<PathBuf>,
        socket: Option<PathBuf>,
    ) -> Result<Self, common::Error> {
        let dir = match dir {
            Some(dir) => std::path::absolute(&dir)
                .map_err(common::error::file("find the directory", &dir))?,
            None => place::in_home(".local/share/credential-proxy")?,
        };
        // A daemon works in another directory, where a relative path would lead elsewhere.
        let socket = match socket {
            Some(socket) => Some(
                std::path::absolute(&socket)
                    .map_err(common::error::file("find the socket", &socket))?,
            ),
            None => None,
        };
        Ok(Self { dir, socket })
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.dir.join("vault.db")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.dir.join("key")
    }

    /// The key that a rotation is about to put in the place of the old one.
    pub(crate) fn next_key(&self) -> PathBuf {
        self.dir.join("key.next")
    }

    /// The command that prints the key, where the key is not kept here.
    pub(crate) fn key_command(&self) -> PathBuf {
        self.dir.join("key-command")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| self.usual_socket())
    }

    /// Where the socket is when nobody put it elsewhere.
    pub(crate) fn usual_socket(&self) -> PathBuf {
        self.dir.join("proxy.sock")
    }

    /// The file in which a daemon notes where its socket is, when that is not the usual place.
    pub(crate) fn socket_note(&self) -> PathBuf {
        self.dir.join("daemon.socket")
    }

    /// Where the daemon of this home last put its socket.
    pub(crate) fn noted_socket(&self) -> PathBuf {
        let mut path = Vec::new();
        let noted = open_private(&self.socket_note(), false)
            .is_ok_and(|file| file.take(4096).read_to_end(&mut path).is_ok());
        let path = PathBuf::from(OsString::from_vec(path));
        if noted && path.is_absolute() { path } else { self.usual_socket() }
    }

    /// Whether the socket was put elsewhere.
    pub(crate) fn named_socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.dir.join("daemon.lock")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    pub(crate) fn audit(&self) -> crate::audit::Place {
        crate::audit::Place::new(self.dir.join("audit"))
    }

    /// Creates the directory where it is missing, and refuses one that others can enter.
    pub(crate) fn make(&self) -> Result<(), Error> {
        place::private_dir(&self.dir)?;
        self.check()
    }

    /// Refuses a directory that others can enter.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let found = self
            .dir
            .metadata()
            .map_err(|source| missing_or(source, &self.dir, "look at the directory"))?;
        if !found.is_dir() {
            return Err(Error::Unsafe { path: self.dir.clone(), problem: Unsafe::NotADirectory });
        }
        check_owner_and_mode(&self.dir, &found)
    }
}

fn missing_or(source: io::Error, path: &Path, doing: &'static str) -> Error {
    if source.kind() == io::ErrorKind::NotFound {
        Error::NoVault { path: path.to_path_buf() }
    } else {
        common::error::file(doing, path)(source).into()
    }
}

fn check_owner_and_mode(path: &Path, found: &Metadata) -> Result<(), Error> {
    let problem = if found.uid() != rustix::process::geteuid().as_raw() {
        Unsafe::AnotherUsers { uid: found.uid() }
    } else if found.mode() & 0o077 != 0 {
        Unsafe::Open { mode: found.mode() & 0o7777 }
    } else {
        return Ok(());
    };
    Err(Error::Unsafe { path: path.to_path_buf(), problem })
}

/// Opens a file of ours for reading and writing; refuses links, other owners, wider modes.
pub(crate) fn open_private(path: &Path, write: bool) -> Result<File, Error> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)
        .map_err(|source| match source.raw_os_error() {
            Some(libc::ELOOP) => Error::Unsafe { path: path.to_path_buf(), problem: Unsafe::Link },
            Some(libc::EISDIR) => {
                Error::Unsafe { path: path.to_path_buf(), problem: Unsafe::NotAFile }
            }
            _ => common::error::file("open", path)(source).into(),
        })?;
    let found = file.metadata().map_err(common::error::file("look at", path))?;
    check_file(path, &found)?;
    Ok(file)
}

/// Refuses what is no private regular file of ours with a single name.
fn check_file(path: &Path, found: &Metadata) -> Result<(), Error> {
    let problem = if !found.is_file() {
        Unsafe::NotAFile
    } else if found.nlink() > 1 {
        Unsafe::SeveralNames
    } else {
        return check_owner_and_mode(path, found);
    };
    Err(Error::Unsafe { path: path.to_path_buf(), problem })
}

/// Refuses a vault or key path that is a link, another user's, a directory or open to others.
/// Returns whether the file is there.
pub(crate) fn check_private(path: &Path) -> Result<bool, Error> {
    match path.symlink_metadata() {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(common::error::file("look at", path)(source).into()),
        Ok(found) if found.is_symlink() => {
            Err(Error::Unsafe { path: path.to_path_buf(), problem: Unsafe::Link })
        }
        Ok(found) => check_file(path, &found).map(|()| true),
    }
}

/// Refuses a file with a token that others could read or have put there.
///
/// Whoever mounts tokens may do it by links and as root, and a shell may pass a pipe.
pub(crate) fn check_token(path: &Path, found: &Metadata) -> Result<(), Error> {
    // systemd lets the user of a service read its credentials by an access list, which shows as the group's right.
    let is_of_root = found.uid() == 0
        && !rustix::process::geteuid().is_root()
        && matches!(found.mode() & 0o077, 0 | 0o040);
    if is_of_root || !found.is_file() { Ok(()) } else { check_owner_and_mode(path, found) }
}

/// What stands at the path of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtSocket {
    Nothing,
    Socket,
}

/// Looks at a socket path before anything is written to it or put in its place.
pub(crate) fn check_socket(path: &Path) -> Result<AtSocket, Error> {
    let found = match path.symlink_metadata() {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(AtSocket::Nothing),
        Err(source) => return Err(common::error::file("look at", path)(source).into()),
        Ok(found) => found,
    };
    if found.is_symlink() {
        return Err(Error::Unsafe { path: path.to_path_buf(), problem: Unsafe::Link });
    }
    if !found.file_type().is_socket() {
        return Err(Error::Unsafe { path: path.to_path_buf(), problem: Unsafe::NotASocket });
    }
    check_owner_and_mode(path, &found)?;
    Ok(AtSocket::Socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn refused(path: &Path) -> Unsafe {
        let opened = open_private(path, true).map(|_| ());
        let checked = check_private(path).map(|_| ());
        match (opened, checked) {
            (Err(Error::Unsafe { problem, .. }), Err(Error::Unsafe { problem: also, .. })) => {
                assert_eq!(problem, also);
                problem
            }
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn a_file_that_others_could_read_or_have_put_there_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        drop(place::private_file(&path).unwrap());
        assert!(open_private(&path, true).is_ok());
        assert!(check_private(&path).unwrap());

        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(refused(&link), Unsafe::Link);

        path.metadata().map(|found| found.permissions()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(refused(&path), Unsafe::Open { mode: 0o640 });
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();

        std::fs::hard_link(&path, folder.path().join("twin")).unwrap();
        assert_eq!(refused(&path), Unsafe::SeveralNames);

        let directory = folder.path().join("directory");
        std::fs::create_dir(&directory).unwrap();
        assert_eq!(refused(&directory), Unsafe::NotAFile);
        assert!(!check_private(&folder.path().join("absent")).unwrap());
    }

    #[test]
    fn a_directory_that_others_can_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(Some(folder.path().join("new/home")), None).unwrap();
        assert!(matches!(home.check(), Err(Error::NoVault { .. })));
        home.make().unwrap();
        std::fs::set_permissions(&home.dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            home.check(),
            Err(Error::Unsafe { problem: Unsafe::Open { mode: 0o755 }, .. })
        ));
    }
}
