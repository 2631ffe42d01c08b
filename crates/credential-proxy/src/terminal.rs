//! A pseudo-terminal between the user's terminal and a child whose output is masked, so that
//! colors, prompts and full-screen programs still work.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

/// macOS has no flag that closes it to children; the call after the opening does it there.
#[cfg(target_vendor = "apple")]
const FLAGS: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY);
#[cfg(not(target_vendor = "apple"))]
const FLAGS: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY).union(OpenptFlags::CLOEXEC);

/// Both ends of a pseudo-terminal.
pub(crate) struct Pair {
    pub(crate) outer: OwnedFd,
    pub(crate) inner: OwnedFd,
}

impl Pair {
    /// A new pseudo-terminal with the size and the settings of ours.
    pub(crate) fn open() -> io::Result<Self> {
        let outer = rustix::pty::openpt(FLAGS)?;
        rustix::io::ioctl_fioclex(&outer)?;
        rustix::pty::grantpt(&outer)?;
        rustix::pty::unlockpt(&outer)?;
        let name = rustix::pty::ptsname(&outer, Vec::new())?;
        let inner = rustix::fs::open(
            &*name,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        copy_size(&outer);
        if let Ok(settings) = tcgetattr(io::stdin()).or_else(|_| tcgetattr(io::stdout())) {
            let _ = tcsetattr(&inner, OptionalActions::Now, &settings);
        }
        Ok(Self { outer, inner })
    }
}

/// Gives the pseudo-terminal the size of ours.
fn copy_size(outer: &OwnedFd) {
    let size = tcgetwinsize(io::stdout())
        .or_else(|_| tcgetwinsize(io::stderr()))
        .or_else(|_| tcgetwinsize(io::stdin()));
    if let Ok(size) = size {
        let _ = tcsetwinsize(outer, size);
    }
}

/// Passes the size on whenever it changes. The thread ends with the process.
pub(crate) fn follow_size(outer: &OwnedFd) -> io::Result<()> {
    let outer = outer.try_clone()?;
    let (wake, write) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGWINCH, write)?;
    std::thread::Builder::new().spawn(move || {
        let mut bytes = [0_u8; 16];
        while io::Read::read(&mut &wake, &mut bytes).is_ok_and(|n_bytes| n_bytes > 0) {
            copy_size(&outer);
        }
    })?;
    Ok(())
}

/// The user's terminal while every key goes to the child; put back when dropped.
pub(crate) struct Raw(Termios);

impl Raw {
    /// Takes the keys, when stdin is a terminal and this process is in its foreground.
    pub(crate) fn new() -> Option<Self> {
        let stdin = io::stdin();
        if !isatty(&stdin) || !common::child::is_in_foreground(stdin.as_fd()) {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Drain, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// Passes keys on to the child. The thread ends with the process.
pub(crate) fn pass_keys(outer: &OwnedFd) -> io::Result<()> {
    let outer = outer.try_clone()?;
    std::thread::Builder::new().spawn(move || {
        let mut piece = [0_u8; 1024];
        while let Ok(n_bytes) = rustix::io::read(io::stdin(), &mut piece) {
            if n_bytes == 0 || write_all(&outer, piece.get(..n_bytes).unwrap_or_default()).is_err()
            {
                return;
            }
        }
    })?;
    Ok(())
}

/// The outer end does not block, because it is also read from.
fn write_all(outer: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(outer, bytes) {
            Ok(n_bytes) => bytes = bytes.get(n_bytes..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::from_borrowed_fd(outer.as_fd(), PollFlags::OUT)], None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
