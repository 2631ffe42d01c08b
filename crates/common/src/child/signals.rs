//! The signals that a wrapper forwards, and the news that a child ended.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::sys;

/// The signals that a wrapper forwards, and the end of a child.
pub(super) struct Signals {
    wake: UnixStream,
    seen: Vec<(i32, Arc<AtomicBool>)>,
}

impl Signals {
    /// Starts to watch; the handlers stay for the life of the process.
    pub(super) fn watch() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let mut seen = Vec::new();
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
            // A signal that was ignored when we started (nohup) stays ignored, for the child too.
            if sys::is_ignored(signal) {
                continue;
            }
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
            seen.push((signal, flag));
        }
        signal_hook::low_level::pipe::register(libc::SIGCHLD, write)?;
        // A careless parent can leave it blocked, and then the end of the child would not wake us.
        sys::unblock(libc::SIGCHLD);
        Ok(Self { wake, seen })
    }

    /// A signal that came and was not taken yet.
    pub(super) fn next(&self) -> Option<i32> {
        self.seen
            .iter()
            .find(|(_, flag)| flag.swap(false, Ordering::SeqCst))
            .map(|(signal, _)| *signal)
    }

    /// What becomes readable when a signal comes.
    pub(super) fn wake(&self) -> &UnixStream {
        &self.wake
    }

    /// Waits until `target` takes more bytes; `false` when a signal or the moment came first.
    pub(super) fn wait_for(&self, target: BorrowedFd<'_>, until: Option<Instant>) -> bool {
        loop {
            if self.seen.iter().any(|(_, flag)| flag.load(Ordering::SeqCst)) {
                return false;
            }
            let mut fds = [
                PollFd::from_borrowed_fd(target, PollFlags::OUT),
                PollFd::new(&self.wake, PollFlags::IN),
            ];
            match poll(&mut fds, until.map(timespec_to).as_ref()) {
                Ok(0) => return false,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
            let [target, _] = fds;
            if !target.revents().is_empty() {
                return true;
            }
            self.drain();
        }
    }

    /// Forgets the wake-ups that were seen.
    pub(super) fn drain(&self) {
        let mut bytes = [0_u8; 64];
        while rustix::io::read(&self.wake, &mut bytes).is_ok_and(|n_bytes| n_bytes == bytes.len()) {
        }
    }
}

/// The time until `moment`, rounded up: waking a little late is right, waking a little early is a busy loop.
pub(super) fn timespec_to(moment: Instant) -> Timespec {
    let left = moment.saturating_duration_since(Instant::now()) + Duration::from_micros(500);
    Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    }
}
