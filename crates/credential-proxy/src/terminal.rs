//! A pseudo-terminal between the user's terminal and a child whose output is masked, so that
//! colors, prompts and full-screen programs still work.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, getpgrp, kill_process_group};
use rustix::pty::OpenptFlags;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetpgrp,
    tcgetwinsize, tcsetattr, tcsetwinsize,
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
        let raw = Self(tcgetattr(&stdin).ok()?);
        raw.take().ok()?;
        Some(raw)
    }

    fn take(&self) -> io::Result<()> {
        let mut raw = self.0.clone();
        raw.make_raw();
        Ok(tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?)
    }

    fn give_back(&self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // In the background it was put back already, and the attempt would stop us.
        if common::child::is_in_foreground(io::stdin().as_fd()) {
            self.give_back();
        }
    }
}

/// Passes keys on to the child. The thread ends with the process.
pub(crate) fn pass_keys(outer: &OwnedFd, child: Pid, raw: &Raw) -> io::Result<()> {
    let (outer, raw) = (outer.try_clone()?, Raw(raw.0.clone()));
    let goes_on = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGCONT, Arc::clone(&goes_on))?;
    std::thread::Builder::new().spawn(move || {
        // Only the other value puts the settings back when it is dropped.
        let raw = std::mem::ManuallyDrop::new(raw);
        let mut piece = [0_u8; 1024];
        while let Ok(n_bytes) = rustix::io::read(io::stdin(), &mut piece) {
            let keys = piece.get(..n_bytes).unwrap_or_default();
            let stop = stop_key(&outer, child, keys);
            let (now, later) = keys.split_at(stop.map_or(n_bytes, |at| at + 1));
            if n_bytes == 0 || write_all(&outer, now).is_err() {
                return;
            }
            if stop.is_some() {
                stop_together(&outer, child, &raw, &goes_on);
            }
            if write_all(&outer, later).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Where the key stands that stops the child, if it is one for which nobody in its terminal cares.
///
/// A shell in there has its own jobs in the foreground, and stops them alone.
fn stop_key(outer: &OwnedFd, child: Pid, keys: &[u8]) -> Option<usize> {
    let settings = tcgetattr(outer).ok()?;
    if !settings.local_modes.contains(LocalModes::ISIG) || tcgetpgrp(outer).ok() != Some(child) {
        return None;
    }
    let key = settings.special_codes[SpecialCodeIndex::VSUSP];
    keys.iter().position(|one| *one == key && key != 0)
}

/// Stops the child and ourselves, as the key does without a terminal between, and goes on with it.
///
/// The kernel does not: the child's group is alone in its session, and such a group ignores the key.
fn stop_together(outer: &OwnedFd, child: Pid, raw: &Raw, goes_on: &AtomicBool) {
    // Who handles the key, an editor perhaps, puts its screen in order first.
    std::thread::sleep(Duration::from_millis(50));
    let _ = kill_process_group(child, Signal::STOP);
    raw.give_back();
    goes_on.store(false, Ordering::SeqCst);
    let _ = kill_process_group(getpgrp(), Signal::TSTP);
    // We are stopped in here; but nobody is who has no shell to go on by.
    let asked = Instant::now();
    while !goes_on.load(Ordering::SeqCst) && asked.elapsed() < Duration::from_millis(500) {
        std::thread::sleep(Duration::from_millis(2));
    }
    copy_size(outer);
    let _ = kill_process_group(child, Signal::CONT);
    // In the background the keys are for somebody else.
    while !common::child::is_in_foreground(io::stdin().as_fd()) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = raw.take();
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
