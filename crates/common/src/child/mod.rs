//! Runs a child as the rest of the line: transparent, killed whole when its time is up, never lost.
//!
//! The child leads a process group of its own; TERM, INT, HUP and QUIT are forwarded to it; on a
//! terminal it gets the foreground. When its time runs out the group gets TERM, then KILL after
//! the grace time, and on Linux whatever it left behind is killed too, daemons included. On Linux
//! the child dies with this process, even when this process dies of KILL.
//!
//! One thread, one poll loop. A supervisor reaps every child of its process, so no other part of
//! the process may wait for a child while it runs.

mod orphans;
mod signals;
mod stream;
mod terminal;

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};

use self::signals::Signals;
pub use self::stream::{Stream, Tail};
use self::terminal::Terminal;
use crate::error::Error;
use crate::exit::Exit;
use crate::sys;

/// The time between TERM and KILL when nothing else was asked for.
pub const GRACE: Duration = Duration::from_secs(10);

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It exited with this code.
    Code(u8),
    /// It was killed by this signal.
    Signal(i32),
}

/// What became of a child.
#[derive(Debug, Clone, Copy)]
pub struct Fate {
    /// How it ended.
    pub end: End,
    /// Its time ran out and it was killed.
    pub timed_out: bool,
    /// The watch asked for its end.
    pub stopped: bool,
    /// The last signal that was sent to us and forwarded to it.
    pub forwarded: Option<i32>,
    /// How long it ran, by the clock that stops while the machine sleeps.
    pub elapsed: Duration,
}

impl Fate {
    /// How the wrapper leaves: as the child did, or with 124 when its time ran out.
    pub fn exit(&self) -> Exit {
        match self.end {
            _ if self.timed_out => Exit::TimedOut,
            End::Code(code) => Exit::Code(code),
            End::Signal(signal) => Exit::Signal(signal),
        }
    }
}

/// What a watch wants after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// The child goes on.
    GoOn,
    /// The child must end: TERM now, KILL after the grace time.
    Stop,
}

/// A look at the child at regular intervals: the interval, and what to do.
type Every<'a> = (Duration, Box<dyn FnMut() -> Watch + 'a>);

/// How a child is to be run.
#[derive(Default)]
pub struct Supervisor<'a> {
    own_terminal: Option<OwnedFd>,
    timeout: Option<Duration>,
    on_timeout: Option<Box<dyn FnMut() + 'a>>,
    grace: Option<Duration>,
    every: Option<Every<'a>>,
}

impl<'a> Supervisor<'a> {
    /// No time limit, no watch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the child after this long, by the clock that stops while the machine sleeps.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Calls `act` when the time has run out, before the child is told.
    #[must_use]
    pub fn with_on_timeout(mut self, act: impl FnMut() + 'a) -> Self {
        self.on_timeout = Some(Box::new(act));
        self
    }

    /// The time between TERM and KILL; [`GRACE`] when not set.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Calls `look` at this interval while the child runs.
    #[must_use]
    pub fn with_watch(mut self, interval: Duration, look: impl FnMut() -> Watch + 'a) -> Self {
        self.every = Some((interval, Box::new(look)));
        self
    }

    /// Makes the child the leader of a session whose terminal is `terminal`, the inner end of a
    /// pseudo-terminal. Our own terminal is then not lent to it.
    #[must_use]
    pub fn with_own_terminal(mut self, terminal: OwnedFd) -> Self {
        self.own_terminal = Some(terminal);
        self
    }

    /// Starts the child; its streams and environment are those of `command`.
    ///
    /// # Errors
    /// The command does not exist, cannot be executed, or signals cannot be watched.
    pub fn start(mut self, mut command: Command) -> Result<Running<'a>, Error> {
        let signals = Signals::watch()
            .map_err(|source| Error::Process { doing: "watch for signals", source })?;
        let terminal = if self.own_terminal.is_some() { None } else { Terminal::of_stdin() };
        #[cfg(target_os = "linux")]
        {
            // Orphans of the child come to us, so that a timeout can end them.
            let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        }
        match self.own_terminal.take() {
            // The leader of a session leads a process group, too.
            Some(own) => sys::lead_session(&mut command, own),
            None => {
                command.process_group(0);
            }
        }
        sys::die_with_parent(&mut command);
        let child = command.spawn().map_err(|source| Error::Spawn {
            command: PathBuf::from(command.get_program()),
            source,
        })?;
        let pid = Pid::from_child(&child);
        let started = Instant::now();
        if let Some(terminal) = &terminal {
            terminal.give_to(pid);
        }
        Ok(Running { plan: self, child, pid, started, signals, terminal, streams: Vec::new() })
    }
}

/// A child that runs.
pub struct Running<'a> {
    plan: Supervisor<'a>,
    /// The child; take its pipes from here before [`Running::wait`].
    pub child: std::process::Child,
    pid: Pid,
    started: Instant,
    signals: Signals,
    terminal: Option<Terminal>,
    streams: Vec<Stream<'a>>,
}

/// Why the child was told to end, and when KILL is due.
struct Ending {
    timed_out: bool,
    kill_at: Instant,
    killed: bool,
}

impl<'a> Running<'a> {
    /// The process id of the child, which is also the id of its process group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads a stream of the child while waiting.
    pub fn read(&mut self, stream: Stream<'a>) {
        self.streams.push(stream);
    }

    /// Waits for the end of the child.
    ///
    /// # Errors
    /// The system refused to wait or to poll.
    pub fn wait(mut self) -> Result<Fate, Error> {
        let mut forwarded = None;
        let mut ending: Option<Ending> = None;
        let mut look_at = self.plan.every.as_ref().map(|(interval, _)| self.started + *interval);
        let end = loop {
            while let Some(signal) = self.signals.next() {
                forwarded = Some(signal);
                self.signal_group(signal);
            }
            if let Some(end) = self.reap() {
                break end;
            }
            let now = Instant::now();
            if let Some(asked) = self.due(now, &mut look_at, ending.is_some()) {
                let grace = self.plan.grace.unwrap_or(GRACE);
                ending = Some(Ending { timed_out: asked, kill_at: now + grace, killed: false });
                self.signal_group(libc::SIGTERM);
                self.signal_group(libc::SIGCONT);
            }
            if let Some(ending) = &mut ending
                && now >= ending.kill_at
                && !ending.killed
            {
                ending.killed = true;
                self.signal_group(libc::SIGKILL);
            }
            let mut wake_at = look_at;
            for moment in [
                self.deadline().filter(|_| ending.is_none()),
                ending.as_ref().filter(|ending| !ending.killed).map(|ending| ending.kill_at),
            ]
            .into_iter()
            .flatten()
            {
                wake_at = Some(wake_at.map_or(moment, |earlier| earlier.min(moment)));
            }
            self.sleep_until(wake_at)?;
        };
        let elapsed = self.started.elapsed();
        if ending.is_some() {
            self.signal_group(libc::SIGKILL);
            orphans::sweep();
        }
        for stream in &mut self.streams {
            // What an ended child has left in its pipe is not lost to a slow reader of ours; a
            // signal ends the waiting.
            while stream.pump()
                || stream.blocked_by().is_some_and(|target| self.signals.wait_for(target))
            {
            }
            // A grandchild may keep it open and say nothing.
            stream.finish();
        }
        if let Some(terminal) = &self.terminal {
            terminal.take_back();
        }
        Ok(Fate {
            end,
            timed_out: ending.as_ref().is_some_and(|ending| ending.timed_out),
            stopped: ending.is_some_and(|ending| !ending.timed_out),
            forwarded,
            elapsed,
        })
    }

    fn deadline(&self) -> Option<Instant> {
        self.plan.timeout.and_then(|timeout| self.started.checked_add(timeout))
    }

    /// Whether the child must end now: `Some(true)` by time, `Some(false)` by the watch.
    fn due(
        &mut self,
        now: Instant,
        look_at: &mut Option<Instant>,
        is_ending: bool,
    ) -> Option<bool> {
        if is_ending {
            *look_at = None;
            return None;
        }
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            if let Some(act) = &mut self.plan.on_timeout {
                act();
            }
            return Some(true);
        }
        let (interval, look) = self.plan.every.as_mut()?;
        if look_at.is_some_and(|moment| now >= moment) {
            if look() == Watch::Stop {
                return Some(false);
            }
            *look_at = Some(Instant::now() + *interval);
        }
        None
    }

    /// Sleeps until something happens or the moment comes.
    fn sleep_until(&mut self, moment: Option<Instant>) -> Result<(), Error> {
        let timeout = moment.map(|moment| {
            // Rounded up: waking a little late is right, waking a little early is a busy loop.
            let left =
                moment.saturating_duration_since(Instant::now()) + Duration::from_micros(500);
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let ready: Vec<bool> = {
            let mut fds = vec![PollFd::new(self.signals.wake(), PollFlags::IN)];
            fds.extend(self.streams.iter().filter(|stream| stream.is_open()).map(Stream::poll_fd));
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    return Err(Error::Process {
                        doing: "wait for the child",
                        source: error.into(),
                    });
                }
            }
            fds.iter().map(|fd| !fd.revents().is_empty()).collect()
        };
        if ready.first() == Some(&true) {
            self.signals.drain();
        }
        let open = self.streams.iter_mut().filter(|stream| stream.is_open());
        for (stream, is_ready) in open.zip(ready.into_iter().skip(1)) {
            if is_ready {
                stream.pump();
            }
        }
        Ok(())
    }

    /// Collects children that ended. Returns how the child ended, once it did.
    fn reap(&self) -> Option<End> {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
            if pid != self.pid {
                continue;
            }
            if status.stopped() {
                if let Some(terminal) = &self.terminal {
                    terminal.stop_with(self.pid);
                }
                continue;
            }
            if let Some(signal) = status.terminating_signal() {
                return Some(End::Signal(signal));
            }
            let code = status.exit_status().unwrap_or_default();
            return Some(End::Code(u8::try_from(code).unwrap_or(u8::MAX)));
        }
        None
    }

    fn signal_group(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            // The group can be gone already, and then there is nothing to tell.
            let _ = kill_process_group(self.pid, signal);
        }
    }
}

#[cfg(test)]
mod tests;
