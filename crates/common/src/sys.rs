//! The few system calls that need `unsafe`; nothing else in this crate does.

#![expect(unsafe_code, reason = "calls without a safe wrapper in the crates of this workspace")]

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, mem, ptr};

/// The home directory of this user from the password database.
pub(crate) fn passwd_home() -> Option<PathBuf> {
    let home = passwd(|entry| entry.pw_dir)?;
    let home = PathBuf::from(OsStr::from_bytes(&home));
    home.is_absolute().then_some(home)
}

/// The name of this user from the password database.
#[cfg(feature = "postgres")]
pub(crate) fn passwd_name() -> Option<String> {
    String::from_utf8(passwd(|entry| entry.pw_name)?).ok()
}

/// A text of this user's entry in the password database.
fn passwd(field: impl FnOnce(&libc::passwd) -> *mut libc::c_char) -> Option<Vec<u8>> {
    let mut buffer = vec![0_u8; 16 * 1024];
    // SAFETY: all-zero is a valid `passwd`: integers and null pointers.
    let mut entry: libc::passwd = unsafe { mem::zeroed() };
    let mut found: *mut libc::passwd = ptr::null_mut();
    // SAFETY: every pointer is valid for the call, and the length is that of the buffer.
    let status = unsafe {
        libc::getpwuid_r(
            libc::getuid(),
            &raw mut entry,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            &raw mut found,
        )
    };
    let text = field(&entry);
    if status != 0 || found.is_null() || text.is_null() {
        return None;
    }
    // SAFETY: the call succeeded, so the field is a C string inside `buffer`, which is still alive.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_bytes().to_vec())
}

/// Whether this process was started with `signal` ignored, as nohup does with HUP.
pub(crate) fn is_ignored(signal: i32) -> bool {
    // SAFETY: all-zero is a valid `sigaction`, and a null new action only queries.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// The user at the other end of a Unix socket, and its process where the system tells.
#[cfg(target_os = "linux")]
pub(crate) fn peer(stream: &std::os::unix::net::UnixStream) -> io::Result<(u32, Option<u32>)> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = libc::socklen_t::try_from(size_of_val(&peer)).unwrap_or_default();
    // rustix has this call too, but its process ids have no zero, and zero is what the kernel says of a
    // process that this pid namespace does not see.
    // SAFETY: both pointers are valid for the call, and the length is that of the structure.
    let status = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((peer.uid, u32::try_from(peer.pid).ok().filter(|pid| *pid != 0)))
}

/// The user at the other end of a Unix socket, and its process where the system tells.
#[cfg(not(target_os = "linux"))]
pub(crate) fn peer(stream: &std::os::unix::net::UnixStream) -> io::Result<(u32, Option<u32>)> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: both pointers are valid for the call.
    let status = unsafe { libc::getpeereid(stream.as_raw_fd(), &raw mut uid, &raw mut gid) };
    if status == 0 { Ok((uid, None)) } else { Err(io::Error::last_os_error()) }
}

/// Lets `signal` come to this thread.
pub(crate) fn unblock(signal: i32) {
    // SAFETY: the set is initialized by sigemptyset before use, and no memory of ours is touched.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
    }
}

/// Whether this process was started without a stdout.
pub(crate) fn had_no_stdout() -> bool {
    HAD_NO_STDOUT.load(Ordering::Relaxed)
}

static HAD_NO_STDOUT: AtomicBool = AtomicBool::new(false);

/// Runs before the runtime, which opens /dev/null in the place of a stream that is closed, so that later
/// nobody can tell it from one that was meant to go there.
#[cfg(any(target_os = "linux", target_os = "macos"))]
#[used]
// SAFETY: the section holds pointers to functions that are called once, as this one is.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static AT_START: extern "C" fn() = {
    extern "C" fn look() {
        // SAFETY: the call takes a number that need not be open, and touches no memory.
        let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
        HAD_NO_STDOUT.store(flags < 0, Ordering::Relaxed);
    }
    look
};

/// The group of this process; 0 when its leader is outside of this pid namespace, as under `nsenter`.
///
/// rustix takes for granted that it is never 0.
pub(crate) fn process_group() -> i32 {
    // SAFETY: the call has no arguments, touches no memory and cannot fail.
    unsafe { libc::getpgrp() }
}

/// Makes process group `group` the foreground of the terminal `terminal`.
///
/// A background process that asks for this is stopped by TTOU, so the signal is blocked meanwhile.
pub(crate) fn set_foreground(terminal: BorrowedFd<'_>, group: i32) -> io::Result<()> {
    // SAFETY: the sets are initialized by sigemptyset before use, and the mask is put back.
    unsafe {
        let mut blocked: libc::sigset_t = mem::zeroed();
        let mut before: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut blocked);
        libc::sigaddset(&raw mut blocked, libc::SIGTTOU);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, &raw mut before);
        let status = libc::tcsetpgrp(terminal.as_raw_fd(), group);
        let error = io::Error::last_os_error();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
        if status == 0 { Ok(()) } else { Err(error) }
    }
}

/// Makes the child the leader of a session whose terminal is `terminal`.
pub(crate) fn lead_session(command: &mut Command, terminal: OwnedFd) {
    // SAFETY: the closure makes two system calls and allocates nothing, as is required after fork.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            if libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY as _, 0) == 0 {
                Ok(())
            } else {
                Err(io::Error::last_os_error())
            }
        });
    }
}

/// Has the kernel kill the child when this process dies, however it dies.
///
/// A child that outlived its `exec` would go on writing after its locks were given to another.
#[cfg(target_os = "linux")]
pub(crate) fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    // SAFETY: the closure makes two system calls and allocates nothing, as is required after fork.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            // The parent may have died before the call above; then nobody would send the signal.
            if rustix::process::getppid() != Some(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

/// Other systems have no such call; there a killed `exec` leaves its child to the next command.
#[cfg(not(target_os = "linux"))]
pub(crate) fn die_with_parent(_command: &mut Command) {}

/// Ends this process by `signal`, so that the parent sees what the child's parent saw.
///
/// Returns only when the signal does not end a process; no core is written, since the child wrote its own.
pub(crate) fn die_of(signal: i32) {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    // The limit does not stop a core that is piped into a program; this does.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    // SAFETY: resetting a signal to its default action and raising it touches no memory of ours.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
    }
    unblock(signal);
    // SAFETY: raising a signal touches no memory of ours.
    unsafe {
        libc::raise(signal);
    }
}

/// Starts the child with every signal as it is by default: who runs the tests may ignore some, as nohup does.
#[cfg(all(test, target_os = "linux"))]
pub(crate) fn start_with_default_signals(command: &mut Command) {
    // SAFETY: signal is async-signal-safe, and nothing is allocated after fork; KILL and STOP refuse and stay.
    unsafe {
        command.pre_exec(|| {
            for signal in 1..=libc::SIGRTMAX() {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        });
    }
}

/// Starts the child with `signal` blocked, as a careless parent does.
#[cfg(all(test, target_os = "linux"))]
pub(crate) fn start_with_blocked(command: &mut Command, signal: i32) {
    // SAFETY: the set is initialized by sigemptyset before use, and nothing is allocated after fork.
    unsafe {
        command.pre_exec(move || {
            let mut set: libc::sigset_t = mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, signal);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
            Ok(())
        });
    }
}

/// What one does with a byte of a file that processes lock among themselves.
#[cfg(all(target_os = "linux", feature = "sqlite"))]
#[derive(Debug, Clone, Copy)]
pub(crate) enum ByteLock {
    /// Hold it beside others that share it.
    Shared,
    /// Hold it alone.
    Exclusive,
    /// Give it back.
    Unlock,
}

/// Locks the byte at `offset` for the open file, not for the process; `waits` for whoever holds it, or fails.
///
/// The kernel gives it back when the last copy of the descriptor is closed, however the process ends.
#[cfg(all(target_os = "linux", feature = "sqlite"))]
pub(crate) fn lock_byte(
    file: BorrowedFd<'_>,
    offset: i64,
    lock: ByteLock,
    waits: bool,
) -> io::Result<()> {
    let kind = match lock {
        ByteLock::Shared => libc::F_RDLCK,
        ByteLock::Exclusive => libc::F_WRLCK,
        ByteLock::Unlock => libc::F_UNLCK,
    };
    // SAFETY: all-zero is a valid `flock`; its pid must be zero for a lock of an open file.
    let mut range: libc::flock = unsafe { mem::zeroed() };
    range.l_type = i16::try_from(kind).unwrap_or_default();
    range.l_whence = i16::try_from(libc::SEEK_SET).unwrap_or_default();
    range.l_start = offset;
    range.l_len = 1;
    let command = if waits { libc::F_OFD_SETLKW } else { libc::F_OFD_SETLK };
    // SAFETY: the descriptor is open, and `range` outlives the call.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const range) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
