//! The socket: private from birth, one daemon to a home, a stale one replaced, a live one never.
//!
//! Somebody who clears up can remove the socket or the lock of a daemon that lives. It would hear
//! nobody any more and keep the next one away, so it looks after both and puts them back.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::daemon::{Listening, OnlyOne, Turn};

use crate::error::Error;
use crate::home::{Home, check_private, check_socket};

/// How old the last look at lock and socket may be.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Takes the lock that makes a daemon the only one of its home; an error names the daemon that has it.
pub(super) fn take_turn(home: &Home) -> Result<OnlyOne, Error> {
    let path = home.lock();
    check_private(&path)?;
    match OnlyOne::take(&path)? {
        Turn::Ours(only) => Ok(only),
        Turn::Taken(pid) => Err(Error::AlreadyRunning { pid: pid.unwrap_or(0) }),
    }
}

/// Where clients come in.
pub(super) enum Door {
    /// The socket of a home, which goes away with the daemon.
    Own(Listening),
    /// A socket that the system passed; its path belongs to the system.
    Passed { listener: UnixListener, place: Option<(PathBuf, (u64, u64))> },
}

fn place_of(path: &Path) -> Option<(u64, u64)> {
    path.symlink_metadata().ok().map(|found| (found.dev(), found.ino()))
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

    /// A socket that the system passed.
    pub(super) fn passed(listener: UnixListener) -> Self {
        // Clients are told who listens: from now on this process, and no longer the system's.
        let _ = rustix::net::listen(&listener, 4096);
        let path = listener.local_addr().ok().and_then(|at| Some(at.as_pathname()?.to_path_buf()));
        let place = path.and_then(|path| place_of(&path).map(|place| (path, place)));
        Self::Passed { listener, place }
    }

    pub(super) fn listener(&self) -> &UnixListener {
        match self {
            Self::Own(listening) => listening.listener(),
            Self::Passed { listener, .. } => listener,
        }
    }

    /// Where clients find it; a passed socket need not have a path.
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Own(listening) => Some(listening.path()),
            Self::Passed { place, .. } => place.as_ref().map(|(path, _)| path.as_path()),
        }
    }

    fn is_in_place(&self) -> bool {
        match self {
            Self::Own(listening) => listening.is_in_place(),
            Self::Passed { place, .. } => {
                place.as_ref().is_none_or(|(path, place)| place_of(path) == Some(*place))
            }
        }
    }
}

/// What makes a daemon the one that clients of its home find: the lock and the socket.
pub(super) struct Post {
    home: Home,
    // The socket goes before the lock: whoever gets the lock finds the path free.
    door: Door,
    only: OnlyOne,
    looked_at: Instant,
    problem: Option<String>,
}

impl Post {
    pub(super) fn new(home: &Home, only: OnlyOne, door: Door) -> Result<Self, Error> {
        let post =
            Self { home: home.clone(), door, only, looked_at: Instant::now(), problem: None };
        post.note_socket()?;
        post.listen()?;
        Ok(post)
    }

    pub(super) fn listener(&self) -> &UnixListener {
        self.door.listener()
    }

    /// Takes the socket away, and keeps the lock for as long as the daemon clears up.
    pub(super) fn leave(self) -> OnlyOne {
        self.only
    }

    /// What could not be put back, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.clone()
    }

    /// Looks whether lock and socket are in place, and puts back what is not. What cannot be put
    /// back now is tried again at the next look; an error when another daemon has the post.
    pub(super) fn keep(&mut self) -> Result<(), Error> {
        if self.looked_at.elapsed() < LOOK_AGAIN {
            return Ok(());
        }
        self.looked_at = Instant::now();
        let problem = match self.put_back() {
            Ok(()) => None,
            Err(error @ Error::AlreadyRunning { .. }) if !self.door.is_in_place() => {
                return Err(error);
            }
            Err(error) => Some(format!("the daemon lost its socket or its lock: {error}")),
        };
        if let Some(problem) = problem.as_ref().filter(|new| self.problem.as_ref() != Some(new)) {
            common::report::warn(crate::TOOL, problem);
        }
        self.problem = problem;
        Ok(())
    }

    fn put_back(&mut self) -> Result<(), Error> {
        if !self.only.is_at(&self.home.lock()) {
            self.only = take_turn(&self.home)?;
        }
        if !self.door.is_in_place() {
            self.door = Door::bind(&self.home)?;
            self.note_socket()?;
            self.listen()?;
            common::report::warn(crate::TOOL, "the socket was gone; there is a new one now");
        }
        Ok(())
    }

    fn listen(&self) -> Result<(), Error> {
        self.listener()
            .set_nonblocking(true)
            .map_err(|source| common::Error::Process { doing: "wait for clients", source }.into())
    }

    /// Notes where the socket is for those who look at the usual place.
    fn note_socket(&self) -> Result<(), Error> {
        let note = self.home.socket_note();
        match self.door.path().filter(|path| *path != self.home.usual_socket()) {
            Some(path) => Ok(common::atomic::write(&note, path.as_os_str().as_bytes(), 0o600)?),
            None => match std::fs::remove_file(&note) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    Err(common::error::file("remove", &note)(source).into())
                }
                _ => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
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
        let only = take_turn(&home).unwrap();
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
