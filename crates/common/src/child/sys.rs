//! A process that is left behind to copy, and does nothing but system calls: it was forked and has no other program.

#![expect(unsafe_code, reason = "calls after fork, for which there is no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use crate::sys::is_ignored;

/// Leaves a process behind that copies what still comes from `source` to `target`, until nobody can write to the
/// one or read the other. It holds nothing else open, and no signal to this process's group reaches it.
///
/// Nothing happens when the system has no room for a process.
pub(super) fn leave_copier(source: BorrowedFd<'_>, target: BorrowedFd<'_>) {
    // SAFETY: the child of a process that may have threads makes system calls only, allocates nothing, and never
    // returns from here.
    unsafe {
        if libc::fork() == 0 {
            copy_to_the_end(source.as_raw_fd(), target.as_raw_fd());
        }
    }
}

/// The whole life of the process that [`leave_copier`] starts; the descriptors become 0 and 1.
///
/// # Safety
/// Only for a process that was just forked: it closes every descriptor.
unsafe fn copy_to_the_end(source: i32, target: i32) -> ! {
    const ABOVE_ALL: i32 = 100;
    /// A wrapper has a few descriptors, and inherits a few.
    const MOST: i32 = 1024;
    // SAFETY: system calls on numbers, and on a buffer that outlives them.
    unsafe {
        libc::setpgid(0, 0);
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
            // Our handlers only write down that a signal came, for somebody who is not here.
            if !is_ignored(signal) {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        let source = libc::fcntl(source, libc::F_DUPFD, ABOVE_ALL);
        let target = libc::fcntl(target, libc::F_DUPFD, ABOVE_ALL);
        libc::dup2(source, 0);
        libc::dup2(target, 1);
        for descriptor in 2..MOST {
            libc::close(descriptor);
        }
        let mut piece = [0_u8; 4096];
        loop {
            wait_for(0, libc::POLLIN);
            let n_read = libc::read(0, piece.as_mut_ptr().cast(), piece.len());
            match usize::try_from(n_read) {
                Ok(0) => libc::_exit(0),
                Ok(n_bytes) => write_whole(piece.get(..n_bytes).unwrap_or_default()),
                Err(_) if is_passing() => {}
                Err(_) => libc::_exit(0),
            }
        }
    }
}

/// Writes to descriptor 1; ends the process when nobody reads it any more. On a full disk the words are lost.
///
/// # Safety
/// Only for the process of [`copy_to_the_end`].
unsafe fn write_whole(mut rest: &[u8]) {
    while !rest.is_empty() {
        // SAFETY: the pointer and the length are those of `rest`.
        let n_written = unsafe { libc::write(1, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(n_written) {
            Ok(n_bytes) => rest = rest.get(n_bytes..).unwrap_or_default(),
            // SAFETY: the number is that of a descriptor, open or not.
            Err(_) if is_passing() => unsafe { wait_for(1, libc::POLLOUT) },
            Err(_) if io::Error::last_os_error().raw_os_error() == Some(libc::ENOSPC) => return,
            // SAFETY: ending the process touches no memory.
            Err(_) => unsafe { libc::_exit(0) },
        }
    }
}

/// Whether the last call failed for this moment only.
fn is_passing() -> bool {
    matches!(io::Error::last_os_error().raw_os_error(), Some(libc::EAGAIN | libc::EINTR))
}

/// Waits until `descriptor` is ready for `events`, or broken.
///
/// # Safety
/// None is needed but that of a system call on a number.
unsafe fn wait_for(descriptor: i32, events: i16) {
    let mut polled = libc::pollfd { fd: descriptor, events, revents: 0 };
    // SAFETY: the pointer is to one structure, as the count says.
    unsafe {
        libc::poll(&raw mut polled, 1, -1);
    }
}
