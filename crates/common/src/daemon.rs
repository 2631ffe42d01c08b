//! What every program that serves a Unix socket needs, whatever it serves.
//!
//! One server to a socket by a lock on a file, not by the socket's existence; a socket that is private from
//! its first moment; a stale one replaced and a live one never; who is at the other end; the signals that
//! end a server; readiness for systemd. It knows no protocol and starts no thread.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::{Error, file};
use crate::{environment, sys};

/// As many connections as the system lets wait.
const BACKLOG: i32 = 4096;

/// The lock that makes a server the only one. The file is never removed: somebody may already wait for the
/// lock of this very file.
#[derive(Debug)]
pub struct OnlyOne {
    file: File,
}

/// What came of asking to be the only one.
#[derive(Debug)]
pub enum Turn {
    /// Nobody else is; it ends with the value.
    Ours(OnlyOne),
    /// Another process is; its id, where the file tells.
    Taken(Option<u32>),
}

impl OnlyOne {
    /// Takes the lock on the file `path`, which is created where it is absent and never followed as a link.
    pub fn take(path: &Path) -> Result<Turn, Error> {
        let link = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(link)
            .open(path)
            .map_err(file("open the lock file", path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // A holder that is just starting has not written its number yet.
                let _ = lock.take(32).read_to_string(&mut text);
                return Ok(Turn::Taken(text.trim().parse().ok()));
            }
            Err(TryLockError::Error(source)) => return Err(file("lock", path)(source)),
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(file("write", path))?;
        Ok(Turn::Ours(Self { file: lock }))
    }

    /// Whether `path` still leads to the file whose lock this is. Where it does not, the next one to ask
    /// gets a lock of its own, and this one keeps nobody away any more.
    pub fn is_at(&self, path: &Path) -> bool {
        let place = |found: &std::fs::Metadata| (found.dev(), found.ino());
        let own = self.file.metadata().as_ref().map(place).ok();
        own.is_some() && own == path.symlink_metadata().as_ref().map(place).ok()
    }
}

/// A listening socket; its path is removed at the end if it still leads to it.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
    place: (u64, u64),
}

impl Listening {
    /// Binds a socket at `path`, 0600 from its first moment whatever the umask is. Call it as [`OnlyOne`].
    ///
    /// A socket that nobody answers on is replaced; one on which somebody does is refused with
    /// [`io::ErrorKind::AddrInUse`], and what is no socket with [`io::ErrorKind::AlreadyExists`].
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let listener = stand_aside(path)
            .and_then(|()| bind_private(path))
            .map_err(file("create the socket", path))?;
        let found = path.symlink_metadata().map_err(file("look at", path))?;
        Ok(Self { listener, path: path.to_path_buf(), place: (found.dev(), found.ino()) })
    }

    /// The socket.
    pub fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Where it was bound.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its path still leads to it; a socket whose path was removed hears nobody any more.
    pub fn is_in_place(&self) -> bool {
        self.path.symlink_metadata().is_ok_and(|found| (found.dev(), found.ino()) == self.place)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if self.is_in_place() {
            // Whoever comes next replaces what could not be removed.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether the path may be taken: nothing is there, or a socket on which nobody answers.
fn stand_aside(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else is there"))
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "another program answers on it"))
        }
        Ok(_) => Ok(()),
    }
}

/// macOS has no flag for this; nothing is started between the socket and the call that closes it to children.
#[cfg(target_vendor = "apple")]
const FLAGS: SocketFlags = SocketFlags::empty();
#[cfg(not(target_vendor = "apple"))]
const FLAGS: SocketFlags = SocketFlags::CLOEXEC;

/// Listens on a socket at `path`, 0600 from its first moment whatever the umask is. Call it as the only server.
///
/// It is bound beside the path and renamed into place: nobody sees a socket that does not listen yet, and what
/// is at the path is replaced without a gap. A path that is too long is [`io::ErrorKind::InvalidFilename`].
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let mut staging = path.as_os_str().to_owned();
    staging.push(".new");
    let staging = PathBuf::from(staging);
    let address = SocketAddrUnix::new(&staging).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidFilename, "its path is too long for this system")
    })?;
    // Only the holder of the lock comes here, so what lies there was left by a killed one.
    match std::fs::remove_file(&staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let bound = (|| {
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
        rustix::io::ioctl_fioclex(&socket)?;
        // On Linux the mode of the descriptor is that of the file from its first moment, whatever the umask
        // is; elsewhere the private directory protects it until the next line.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        rustix::net::bind(&socket, &address)?;
        rustix::fs::chmod(&staging, Mode::RUSR | Mode::WUSR)?;
        rustix::net::listen(&socket, BACKLOG)?;
        rustix::fs::rename(&staging, path)?;
        Ok::<_, rustix::io::Errno>(UnixListener::from(socket))
    })();
    bound.map_err(|error| {
        let _ = std::fs::remove_file(&staging);
        error.into()
    })
}

/// The user at the other end of a socket, and its process where the system tells it.
///
/// It tells no process when that one lives where this process cannot see it, as in another container.
pub fn peer(stream: &UnixStream) -> io::Result<(u32, Option<u32>)> {
    sys::peer(stream)
}

/// Whether the user at the other end may talk to this process: its own user, or root.
pub fn is_trusted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    peer(stream).is_ok_and(|(uid, _)| uid == 0 || uid == own)
}

/// TERM and INT, as something that can be polled: once one has come, the descriptor stays readable.
#[derive(Debug)]
pub struct Ending {
    wake: UnixStream,
    is_due: Arc<AtomicBool>,
}

impl Ending {
    /// Begins to watch for the signals.
    pub fn watch() -> Result<Self, Error> {
        let failed = |source| Error::Process { doing: "watch for signals", source };
        let watch = || {
            let (wake, write) = UnixStream::pair()?;
            let is_due = Arc::new(AtomicBool::new(false));
            for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
                signal_hook::flag::register(signal, Arc::clone(&is_due))?;
                signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
                // A careless parent can leave it blocked, and then nothing would end the server.
                sys::unblock(signal);
            }
            Ok(Self { wake, is_due })
        };
        watch().map_err(failed)
    }

    /// Whether one of the signals has come.
    pub fn is_due(&self) -> bool {
        self.is_due.load(Ordering::SeqCst)
    }
}

impl AsFd for Ending {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// Lets this process have as many open files as the system grants without asking; how many those are.
pub fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // A refusal leaves the limit as it was, and the server serves fewer.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Tells systemd something, as `READY=1`, when it asked to be told (`NOTIFY_SOCKET`).
pub fn notify(what: &str) {
    if let Some(to) = environment::os("NOTIFY_SOCKET") {
        tell(&to, what);
    }
}

/// Tells systemd something at the socket `to`. Nobody listening there is no trouble of ours.
pub fn tell(to: &OsStr, what: &str) {
    let _ = try_to_tell(to, what);
}

fn try_to_tell(to: &OsStr, what: &str) -> io::Result<usize> {
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = to.to_str().and_then(|to| to.strip_prefix('@')) {
        use std::os::linux::net::SocketAddrExt as _;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return socket.send_to_addr(what.as_bytes(), &address);
    }
    socket.send_to(what.as_bytes(), Path::new(to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_lock_has_one_holder_and_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let Turn::Ours(only) = OnlyOne::take(&path).unwrap() else { panic!() };
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let Turn::Taken(pid) = OnlyOne::take(&path).unwrap() else { panic!() };
        assert_eq!(pid, Some(std::process::id()));
        assert!(only.is_at(&path));
        drop(only);
        let Turn::Ours(only) = OnlyOne::take(&path).unwrap() else { panic!() };
        std::fs::remove_file(&path).unwrap();
        assert!(!only.is_at(&path));
        assert!(matches!(OnlyOne::take(&path).unwrap(), Turn::Ours(_)));
        assert!(!only.is_at(&path));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(OnlyOne::take(&link).is_err());
    }

    fn refusal(path: &Path) -> io::ErrorKind {
        match Listening::bind(path) {
            Err(Error::File { source, .. }) => source.kind(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_a_live_one_is_not_and_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let listening = Listening::bind(&path).unwrap();
        assert_eq!(path.symlink_metadata().unwrap().mode() & 0o777, 0o600);
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(refusal(&path), io::ErrorKind::AddrInUse);
        drop(listening);
        assert!(!path.exists());
        drop(crate::place::private_file(&path).unwrap());
        assert_eq!(refusal(&path), io::ErrorKind::AlreadyExists);
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/nonexistent", &path).unwrap();
        assert_eq!(refusal(&path), io::ErrorKind::AlreadyExists);
        assert_eq!(refusal(&folder.path().join("x".repeat(200))), io::ErrorKind::InvalidFilename);
    }

    #[test]
    fn a_socket_that_took_the_place_of_ours_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listening = Listening::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!listening.is_in_place());
        let other = UnixListener::bind(&path).unwrap();
        assert!(!listening.is_in_place());
        drop(listening);
        assert!(path.exists());
        drop(other);
    }

    #[test]
    fn the_peer_of_a_socket_pair_is_oneself() {
        let (one, _other) = UnixStream::pair().unwrap();
        let (uid, pid) = peer(&one).unwrap();
        assert_eq!(uid, rustix::process::geteuid().as_raw());
        if cfg!(target_os = "linux") {
            assert_eq!(pid, Some(std::process::id()));
        }
        assert!(is_trusted(&one));
    }

    #[test]
    fn systemd_hears_what_it_asked_for_also_by_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ears = UnixDatagram::bind(&path).unwrap();
        try_to_tell(path.as_os_str(), "READY=1").unwrap();
        let mut heard = [0_u8; 16];
        assert_eq!(ears.recv(&mut heard).unwrap(), 7);
        assert_eq!(&heard[..7], b"READY=1");
        #[cfg(target_os = "linux")]
        {
            use std::os::linux::net::SocketAddrExt as _;
            let name = format!("common-test-{}", std::process::id());
            let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
            let ears = UnixDatagram::bind_addr(&address).unwrap();
            try_to_tell(format!("@{name}").as_ref(), "STOPPING=1").unwrap();
            assert_eq!(ears.recv(&mut heard).unwrap(), 10);
        }
    }
}
