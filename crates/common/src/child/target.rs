//! Where the words of a child are passed on to, written without ever waiting there.
//!
//! The descriptor is shared with other processes, so it is never made non-blocking itself: a pipe or
//! a terminal is opened again for this process alone, a socket is told with each message. What can be
//! neither gets a piece that is known to fit, or is a file, which does not make anybody wait.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// What a pipe takes whole once it says that it takes something.
const FITS: usize = 4096;

/// A descriptor of ours that somebody else reads.
pub(super) struct Target<'a> {
    fd: BorrowedFd<'a>,
    way: Way,
}

enum Way {
    /// Opened again, non-blocking for us alone.
    Own(OwnedFd),
    Socket,
    /// Anything else, piece by piece.
    Pieces,
}

impl<'a> Target<'a> {
    pub(super) fn new(fd: BorrowedFd<'a>) -> Self {
        Self { fd, way: way_to(fd).unwrap_or(Way::Pieces) }
    }

    /// What to wait for when it takes no more.
    pub(super) fn fd(&self) -> BorrowedFd<'a> {
        self.fd
    }

    /// Whether it takes something at this moment, or has an error to tell.
    pub(super) fn is_ready(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.fd, PollFlags::OUT)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
    }

    /// Writes what fits now; `AGAIN` when that is nothing.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match &self.way {
            Way::Own(own) => rustix::io::write(own, bytes),
            Way::Socket => {
                // The Rust runtime has SIGPIPE ignored, so a closed socket is an error and no signal.
                rustix::net::send(self.fd, bytes, rustix::net::SendFlags::DONTWAIT)
            }
            Way::Pieces if self.is_ready() => {
                rustix::io::write(self.fd, bytes.get(..FITS).unwrap_or(bytes))
            }
            Way::Pieces => Err(Errno::AGAIN),
        }
    }
}

/// How to write there without waiting; `None` when there is no special way.
fn way_to(fd: BorrowedFd<'_>) -> Option<Way> {
    use rustix::fs::{FileType, fstat};
    let kind = FileType::from_raw_mode(fstat(fd).ok()?.st_mode);
    if kind == FileType::Socket {
        return Some(Way::Socket);
    }
    let waits = kind == FileType::Fifo || rustix::termios::isatty(fd);
    if waits { open_again(fd).map(Way::Own) } else { None }
}

/// The same pipe or terminal with flags of its own. Only Linux opens it anew under this name.
#[cfg(target_os = "linux")]
fn open_again(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{Mode, OFlags, open};
    let name = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    open(name, flags, Mode::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_again(_fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    None
}
