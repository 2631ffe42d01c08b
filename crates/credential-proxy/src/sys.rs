//! The few system calls that need `unsafe`, each with the reason why it is sound.

#![expect(unsafe_code, reason = "an allocator, locked pages and fork hooks have no safe interface")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::Pid;

/// Wipes every block when it is given back, so that no copy of a secret stays on the heap: not the
/// old halves of a growing buffer, not what a parser left behind.
struct Wiping;

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

/// Zeroes `size` bytes in a way that the compiler does not leave out.
///
/// # Safety
/// `block` points to `size` writable bytes that nobody else uses.
unsafe fn wipe(block: *mut u8, size: usize) {
    // SAFETY: as this function demands.
    unsafe { std::ptr::write_bytes(block, 0, size) };
    // The block escapes into the unknown, so the zeroes count as read.
    std::hint::black_box(block);
}

// SAFETY: every request is passed on to the system's allocator with the same layout; the only
// addition is that a block is zeroed before it is given back, while it is still ours.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of `alloc`, which are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of `alloc_zeroed`, which are those of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's until the second line, and has the size of its layout.
        unsafe {
            wipe(block, layout.size());
            System.dealloc(block, layout);
        }
    }
    // `realloc` is the provided one: a new block, a copy, and the old block wiped by `dealloc`.
}

/// Whole pages that hold secrets: not swapped where the limit allows, in no core, wiped at the end.
pub(crate) struct Pages {
    start: *mut u8,
    len: usize,
    locked: bool,
}

// SAFETY: the pages belong to this value alone, and are only written through `&mut`.
unsafe impl Send for Pages {}
// SAFETY: shared access only reads.
unsafe impl Sync for Pages {}

impl Pages {
    /// Fresh zeroed pages for `len` bytes.
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        let len = len.max(1);
        // SAFETY: an anonymous mapping at an address that the kernel chooses aliases nothing.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )?
        };
        // SAFETY: the range is the mapping from above; both calls only change how the kernel treats it.
        let locked = unsafe {
            #[cfg(target_os = "linux")]
            let _ = rustix::mm::madvise(start, len, rustix::mm::Advice::LinuxDontDump);
            rustix::mm::mlock(start, len).is_ok()
        };
        Ok(Self { start: start.cast(), len, locked })
    }

    /// Whether the kernel promised not to swap these pages.
    pub(crate) fn is_locked(&self) -> bool {
        self.locked
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has `len` initialized bytes and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` is the only access.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: nobody can hold a reference into the mapping any more, and it is ours to unmap.
        unsafe {
            wipe(self.start, self.len);
            let _ = rustix::mm::munmap(self.start.cast(), self.len);
        }
    }
}

/// Makes the command a session of its own that inherits nothing but its three streams.
///
/// A daemon that kept a pipe of cron's open would keep cron waiting for it.
pub(crate) fn detach(command: &mut Command) {
    // SAFETY: the closure makes two system calls and allocates nothing, as is required after fork.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            close_on_exec_from(3);
            Ok(())
        });
    }
}

/// Marks every descriptor from `first` on as closed by exec.
fn close_on_exec_from(first: libc::c_int) {
    #[cfg(target_os = "linux")]
    {
        const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
        // SAFETY: the call only sets a flag of descriptors.
        let status = unsafe {
            libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC)
        };
        if status == 0 {
            return;
        }
    }
    for descriptor in first..1024 {
        // SAFETY: setting a flag of a descriptor, open or not, touches no memory.
        unsafe {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Runs `work` in a copy of this process, which ends with it. No other thread may run in this one.
pub(crate) fn fork(work: impl FnOnce()) -> io::Result<Pid> {
    // SAFETY: without other threads the copy is whole: no lock is held by somebody who is not in it.
    match unsafe { libc::fork() } {
        0 => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // SAFETY: the copy leaves at once; what is to be done at an exit is for the original to do.
            unsafe { libc::_exit(if result.is_ok() { 0 } else { 70 }) }
        }
        pid => Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(io::Error::last_os_error),
    }
}

/// Makes this process one that no signal to its former group or terminal ends, with `kept` as its only descriptors.
///
/// Nothing that owns one of the others may be used or dropped from then on.
pub(crate) fn stand_aside(mut kept: Vec<libc::c_int>) {
    // A copy leads no group, so it may lead a session.
    let _ = rustix::process::setsid();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: ignoring a signal runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    kept.sort_unstable();
    kept.dedup();
    let mut first = 0;
    for descriptor in kept {
        close(first, descriptor - 1);
        first = descriptor + 1;
    }
    close(first, libc::c_int::MAX);
}

/// Closes all descriptors from `first` to `last`.
fn close(first: libc::c_int, last: libc::c_int) {
    if first > last {
        return;
    }
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the caller says that nobody uses these descriptors any more.
        if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
            return;
        }
    }
    for descriptor in first..=last.min(1023) {
        // SAFETY: as above; closing what is not open does nothing.
        unsafe { libc::close(descriptor) };
    }
}

/// Gives the signals that were forwarded to a child their usual effect on this process.
pub(crate) fn let_signals_end_us() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: all-zero is a valid `sigaction`, a null new action only queries, and the default action
        // runs no code of ours.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let known = libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0;
            // What nohup has ignored stays ignored.
            if known && action.sa_sigaction != libc::SIG_IGN {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
    }
}

/// Takes over the descriptor that systemd passed as the first one.
///
/// The caller has checked `LISTEN_PID` and `LISTEN_FDS`, and asks once.
pub(crate) fn activation_socket() -> OwnedFd {
    const FIRST: libc::c_int = 3;
    // SAFETY: by the protocol of socket activation descriptor 3 is open and ours alone.
    let socket = unsafe { OwnedFd::from_raw_fd(FIRST) };
    let _ = rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC);
    socket
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_zeroed_writable_and_keep_what_was_written() {
        let mut pages = Pages::new(10_000).unwrap();
        assert!(pages.bytes().iter().all(|byte| *byte == 0));
        pages.bytes_mut()[9_999] = 7;
        assert_eq!(pages.bytes()[9_999], 7);
        assert_eq!(Pages::new(0).unwrap().bytes().len(), 1);
    }

    #[test]
    fn a_freed_block_does_not_keep_what_was_in_it() {
        // A block of an unusual size comes back from the same bin right away.
        let text = vec![0xA5_u8; 77_777];
        let place = text.as_ptr() as usize;
        drop(text);
        let again: Vec<u8> = Vec::with_capacity(77_777);
        if again.as_ptr() as usize == place {
            // SAFETY: the block is ours again and was initialized by the wiping of its last owner;
            // the allocator's own two words at its start are left out.
            let old = unsafe { std::slice::from_raw_parts(again.as_ptr().add(64), 77_000) };
            assert!(old.iter().all(|byte| *byte == 0));
        }
    }
}
