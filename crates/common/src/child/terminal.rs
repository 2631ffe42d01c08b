//! Lending the terminal to the child, as a shell does.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::sys;

/// The terminal on stdin, when this process group is in its foreground.
pub(super) struct Terminal {
    fd: OwnedFd,
    group: Pid,
}

impl Terminal {
    /// The terminal, if there is one and it is ours to lend.
    pub(super) fn of_stdin() -> Option<Self> {
        let stdin = io::stdin();
        let group = foreground_of_ours(stdin.as_fd())?;
        Some(Self { fd: stdin.as_fd().try_clone_to_owned().ok()?, group })
    }

    /// The terminal that this process belongs to whatever its stdin is, if it is ours to lend.
    pub(super) fn controlling() -> Option<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()?;
        let group = foreground_of_ours(fd.as_fd())?;
        Some(Self { fd, group })
    }

    /// Makes the child the foreground.
    pub(super) fn give_to(&self, child: Pid) {
        if sys::set_foreground(self.fd.as_fd(), child.as_raw_nonzero().get()).is_ok() {
            // The child may have touched the terminal too early and been stopped for it.
            let _ = kill_process_group(child, Signal::CONT);
        }
    }

    /// Makes this process group the foreground again.
    pub(super) fn take_back(&self) {
        let _ = sys::set_foreground(self.fd.as_fd(), self.group.as_raw_nonzero().get());
    }

    /// The child was stopped (Ctrl-Z): stop too, and go on together.
    pub(super) fn stop_with(&self, child: Pid) {
        self.take_back();
        let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::STOP);
        self.give_to(child);
    }
}

/// Whether this process is in the foreground of a terminal, so that keys are for it.
pub fn is_in_foreground(terminal: BorrowedFd<'_>) -> bool {
    foreground_of_ours(terminal).is_some()
}

/// The foreground of a terminal, if it is this process group.
fn foreground_of_ours(terminal: BorrowedFd<'_>) -> Option<Pid> {
    let group = rustix::termios::tcgetpgrp(terminal).ok()?;
    (sys::process_group() == group.as_raw_nonzero().get()).then_some(group)
}
