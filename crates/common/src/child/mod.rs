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
mod sys;
mod target;
mod terminal;

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, wait,
};

use self::signals::{Signals, timespec_to};
pub use self::stream::{Stream, Tail};
use self::terminal::Terminal;
pub use self::terminal::is_in_foreground;
use crate::error::Error;
use crate::exit::Exit;
use crate::sys::{die_with_parent, lead_session};

/// The time between TERM and KILL when nothing else was asked for.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long a child that had to end makes us wait for a slow reader of its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

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
    /// It had the terminal, so that keys were for it alone.
    pub had_terminal: bool,
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

    /// The signal by which a person or a shutdown ended it from outside, be it through us or by the terminal.
    ///
    /// A child that has the terminal is the only one that Ctrl-C, Ctrl-\ and a hang-up reach, so that its own
    /// death by them is all that is seen of the person.
    pub fn stopped_by(&self) -> Option<i32> {
        if self.timed_out || self.stopped || self.end == End::Code(0) {
            return None;
        }
        let by_terminal = match self.end {
            End::Signal(signal @ (libc::SIGINT | libc::SIGQUIT | libc::SIGHUP)) => Some(signal),
            End::Signal(_) | End::Code(_) => None,
        };
        self.forwarded.or(by_terminal.filter(|_| self.had_terminal))
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
            Some(own) => lead_session(&mut command, own),
            None => {
                command.process_group(0);
            }
        }
        die_with_parent(&mut command);
        let child = command.spawn().map_err(|source| Error::Spawn {
            command: PathBuf::from(command.get_program()),
            source,
        })?;
        let pid = Pid::from_child(&child);
        let started = Instant::now();
        if let Some(terminal) = &terminal {
            terminal.give_to(pid);
        }
        Ok(Running {
            plan: self,
            child,
            pid,
            started,
            signals,
            terminal,
            wants_terminal: false,
            streams: Vec::new(),
        })
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
    /// The child was stopped for want of a terminal that was not ours to lend at that moment.
    wants_terminal: bool,
    streams: Vec<Stream<'a>>,
}

/// Why the child was told to end, and when KILL is due.
struct Ending {
    timed_out: bool,
    /// `None` for a moment beyond the clock.
    kill_at: Option<Instant>,
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

    /// Waits for the end of the child, and of its whole group when it had to end.
    ///
    /// # Errors
    /// The system refused to wait or to poll.
    pub fn wait(mut self) -> Result<Fate, Error> {
        let mut forwarded = None;
        let mut ending: Option<Ending> = None;
        let (end, elapsed) = self.wait_for_end(&mut ending, &mut forwarded)?;
        // A signal that came together with the end of the child is what ended it, too.
        forwarded = std::iter::from_fn(|| self.signals.next()).last().or(forwarded);
        if ending.is_some() {
            orphans::sweep();
        }
        let was_told = ending.is_some() || (forwarded.is_some() && end != End::Code(0));
        let until = if was_told { Instant::now().checked_add(LAST_WORDS) } else { self.deadline() };
        for stream in &mut self.streams {
            stream.read_the_rest(&self.signals, until);
        }
        if let Some(terminal) = &self.terminal {
            terminal.take_back();
        }
        Ok(Fate {
            end,
            timed_out: ending.as_ref().is_some_and(|ending| ending.timed_out),
            stopped: ending.is_some_and(|ending| !ending.timed_out),
            forwarded,
            had_terminal: self.terminal.is_some(),
            elapsed,
        })
    }

    /// How the child ended, and after how long; notes what it was told meanwhile.
    fn wait_for_end(
        &mut self,
        ending: &mut Option<Ending>,
        forwarded: &mut Option<i32>,
    ) -> Result<(End, Duration), Error> {
        let mut ended: Option<(End, Duration)> = None;
        let mut look_at =
            self.plan.every.as_ref().and_then(|(interval, _)| self.started.checked_add(*interval));
        loop {
            while let Some(signal) = self.signals.next() {
                *forwarded = Some(signal);
                self.signal_group(signal);
                // What is stopped could not obey.
                self.signal_group(libc::SIGCONT);
            }
            match self.reap() {
                Ok(Some(end)) => ended = Some((end, self.started.elapsed())),
                Err(source) if ended.is_none() => {
                    return Err(Error::Process {
                        doing: "wait for the child",
                        source: source.into(),
                    });
                }
                Ok(None) | Err(_) => {}
            }
            if self.wants_terminal {
                self.lend_terminal();
            }
            // Those behind a child that had to end have the same grace time as the child.
            let is_group_left =
                ending.as_ref().is_some_and(|ending| !ending.killed) && self.is_group_left();
            if let Some(ended) = ended
                && !is_group_left
            {
                return Ok(ended);
            }
            let now = Instant::now();
            if let Some(timed_out) = self.due(now, &mut look_at, ending.is_some()) {
                let kill_at = now.checked_add(self.plan.grace.unwrap_or(GRACE));
                *ending = Some(Ending { timed_out, kill_at, killed: false });
                self.signal_group(libc::SIGTERM);
                self.signal_group(libc::SIGCONT);
            }
            if let Some(ending) = ending
                && ending.kill_at.is_some_and(|kill_at| now >= kill_at)
                && !ending.killed
            {
                ending.killed = true;
                self.signal_group(libc::SIGKILL);
                // The child may be gone for long, and then nothing more will wake us.
                continue;
            }
            let moments = [
                look_at,
                self.deadline().filter(|_| ending.is_none()),
                ending.as_ref().filter(|ending| !ending.killed).and_then(|ending| ending.kill_at),
                // Nobody tells us that the terminal is ours now.
                self.wants_terminal.then(|| now.checked_add(Duration::from_millis(100))).flatten(),
                // The end of a grandchild whose parent lives is no news to us.
                ended.and_then(|_| now.checked_add(Duration::from_millis(20))),
            ];
            self.sleep_until(moments.into_iter().flatten().min())?;
        }
    }

    fn is_group_left(&self) -> bool {
        test_kill_process_group(self.pid) != Err(rustix::io::Errno::SRCH)
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
            *look_at = Instant::now().checked_add(*interval);
        }
        None
    }

    /// Sleeps until something happens or the moment comes.
    fn sleep_until(&mut self, moment: Option<Instant>) -> Result<(), Error> {
        let timeout = moment.map(timespec_to);
        let ready: Vec<bool> = {
            let mut fds = vec![PollFd::new(self.signals.wake(), PollFlags::IN)];
            fds.extend(self.streams.iter().filter_map(Stream::poll_fd));
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
        let open = self.streams.iter_mut().filter(|stream| stream.poll_fd().is_some());
        for (stream, is_ready) in open.zip(ready.into_iter().skip(1)) {
            if is_ready {
                stream.pump();
            }
        }
        Ok(())
    }

    /// Collects children that ended. Returns how the child ended, once it did.
    fn reap(&mut self) -> rustix::io::Result<Option<End>> {
        while let Some((pid, status)) = wait(WaitOptions::NOHANG | WaitOptions::UNTRACED)? {
            if pid != self.pid {
                continue;
            }
            if let Some(signal) = status.stopping_signal() {
                self.stopped_by(signal);
                continue;
            }
            if let Some(signal) = status.terminating_signal() {
                return Ok(Some(End::Signal(signal)));
            }
            let code = status.exit_status().unwrap_or_default();
            return Ok(Some(End::Code(u8::try_from(code).unwrap_or(u8::MAX))));
        }
        Ok(None)
    }

    /// The child is stopped: with our terminal by Ctrl-Z, without it perhaps because it wants it.
    fn stopped_by(&mut self, signal: i32) {
        if let Some(terminal) = &self.terminal {
            terminal.stop_with(self.pid);
        } else if matches!(signal, libc::SIGTTIN | libc::SIGTTOU) {
            self.lend_terminal();
        }
    }

    /// Lends the terminal to a child that was stopped for want of it, as soon as it is ours: who started us may
    /// still be about to lend it to us, or a shell may bring us to the foreground later.
    fn lend_terminal(&mut self) {
        self.terminal = Terminal::controlling();
        self.wants_terminal = self.terminal.is_none();
        if let Some(terminal) = &self.terminal {
            terminal.give_to(self.pid);
        }
    }

    fn signal_group(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            // The group can be gone already, and then there is nothing to tell.
            let _ = kill_process_group(self.pid, signal);
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(test)]
mod tests;
