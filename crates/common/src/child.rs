//! Runs a child as the rest of the line: transparent, killed whole when its time is up, never lost.
//!
//! The child leads a process group of its own; TERM, INT, HUP and QUIT are forwarded to it; on a
//! terminal it gets the foreground. When its time runs out the group gets TERM, then KILL after
//! the grace time, and on Linux whatever it left behind is killed too, daemons included. On Linux
//! the child dies with this process, even when this process dies of KILL.
//!
//! One thread, one poll loop. A supervisor reaps every child of its process, so no other part of
//! the process may wait for a child while it runs.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};

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

/// What is done with each piece that the child wrote.
type OnBytes<'a> = Box<dyn FnMut(&[u8]) + 'a>;

/// Bytes that the child writes and this process reads, 4 KiB at most at a time.
pub struct Stream<'a> {
    source: OwnedFd,
    forward: Option<BorrowedFd<'a>>,
    on_bytes: OnBytes<'a>,
    blocked: bool,
    open: bool,
}

impl<'a> Stream<'a> {
    /// Reads `source` and hands what comes to `on_bytes`.
    ///
    /// With `forward` the bytes are written there first; while that is full the child waits, as it
    /// would without us, and signals and timeouts are served all the same.
    pub fn new(
        source: impl Into<OwnedFd>,
        forward: Option<BorrowedFd<'a>>,
        on_bytes: impl FnMut(&[u8]) + 'a,
    ) -> Self {
        let source = source.into();
        // A failure leaves the descriptor blocking; poll is asked before every read anyway.
        let _ = rustix::io::ioctl_fionbio(&source, true);
        Self { source, forward, on_bytes: Box::new(on_bytes), blocked: false, open: true }
    }

    /// Moves one piece. Returns whether there may be more at once.
    fn pump(&mut self) -> bool {
        if let Some(target) = self.forward {
            self.blocked = !is_writable(target);
            if self.blocked {
                return false;
            }
        }
        let mut piece = [0_u8; 4096];
        match rustix::io::read(&self.source, &mut piece) {
            Ok(0) => {
                self.open = false;
                false
            }
            Ok(n_bytes) => {
                let piece = piece.get(..n_bytes).unwrap_or_default();
                if let Some(target) = self.forward
                    && write_all(target, piece).is_err()
                {
                    // The reader of our output is gone; the child must not hang because of that.
                    self.forward = None;
                }
                (self.on_bytes)(piece);
                true
            }
            Err(rustix::io::Errno::INTR) => true,
            Err(rustix::io::Errno::AGAIN) => false,
            Err(_) => {
                // A pseudo-terminal answers EIO when its last writer is gone.
                self.open = false;
                false
            }
        }
    }
}

fn is_writable(target: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(target, PollFlags::OUT)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

fn write_all(target: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(target, bytes) {
            Ok(n_bytes) => bytes = bytes.get(n_bytes..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let mut fds = [PollFd::from_borrowed_fd(target, PollFlags::OUT)];
                let _ = poll(&mut fds, None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The last bytes of a stream, as many as the limit says.
#[derive(Debug, Default)]
pub struct Tail {
    bytes: Vec<u8>,
    limit: usize,
}

impl Tail {
    /// Keeps the last `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// Adds a piece and forgets what no longer fits.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        let surplus = self.bytes.len().saturating_sub(self.limit);
        self.bytes.drain(..surplus);
    }

    /// What was kept, as text; a character cut in two at the front is dropped.
    pub fn text(&self) -> String {
        let start = self.bytes.iter().position(|byte| byte & 0xC0 != 0x80).unwrap_or(0);
        String::from_utf8_lossy(self.bytes.get(start..).unwrap_or_default()).into_owned()
    }
}

/// A look at the child at regular intervals: the interval, and what to do.
type Every<'a> = (Duration, Box<dyn FnMut() -> Watch + 'a>);

/// How a child is to be run.
#[derive(Default)]
pub struct Supervisor<'a> {
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

    /// Starts the child; its streams and environment are those of `command`.
    ///
    /// # Errors
    /// The command does not exist, cannot be executed, or signals cannot be watched.
    pub fn start(self, mut command: Command) -> Result<Running<'a>, Error> {
        let signals = Signals::watch()
            .map_err(|source| Error::Process { doing: "watch for signals", source })?;
        let terminal = Terminal::of_stdin();
        #[cfg(target_os = "linux")]
        {
            // Orphans of the child come to us, so that a timeout can end them.
            let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        }
        command.process_group(0);
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
            self.sweep();
        }
        for stream in &mut self.streams {
            while stream.open && stream.pump() {}
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
            let mut fds = vec![PollFd::new(&self.signals.wake, PollFlags::IN)];
            for stream in self.streams.iter().filter(|stream| stream.open) {
                fds.push(match stream.forward {
                    Some(target) if stream.blocked => {
                        PollFd::from_borrowed_fd(target, PollFlags::OUT)
                    }
                    _ => PollFd::new(&stream.source, PollFlags::IN),
                });
            }
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
        let open = self.streams.iter_mut().filter(|stream| stream.open);
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

    /// Kills what a child that had to end left behind, at most for two seconds.
    fn sweep(&self) {
        self.signal_group(libc::SIGKILL);
        #[cfg(target_os = "linux")]
        {
            let until = Instant::now() + Duration::from_secs(2);
            while Instant::now() < until {
                match wait(WaitOptions::NOHANG) {
                    Err(_) => return, // No children are left.
                    Ok(Some(_)) => continue,
                    Ok(None) => {}
                }
                for orphan in children_of_this_process() {
                    let _ = rustix::process::kill_process(orphan, Signal::KILL);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

/// Processes whose parent this process is, by /proc; empty without it.
#[cfg(target_os = "linux")]
fn children_of_this_process() -> Vec<Pid> {
    let parent = rustix::process::getpid().as_raw_nonzero().get();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .ok()
                // The name in parentheses can hold anything, so the fields are counted behind it.
                .and_then(|stat| stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<i32>().ok())
                == Some(parent)
        })
        .filter_map(Pid::from_raw)
        .collect()
}

/// The signals that a wrapper forwards, and the end of a child.
struct Signals {
    wake: UnixStream,
    seen: Vec<(i32, Arc<AtomicBool>)>,
}

impl Signals {
    fn watch() -> io::Result<Self> {
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
        Ok(Self { wake, seen })
    }

    fn next(&self) -> Option<i32> {
        self.seen
            .iter()
            .find(|(_, flag)| flag.swap(false, Ordering::SeqCst))
            .map(|(signal, _)| *signal)
    }

    fn drain(&self) {
        let mut bytes = [0_u8; 64];
        while rustix::io::read(&self.wake, &mut bytes).is_ok_and(|n_bytes| n_bytes == bytes.len()) {
        }
    }
}

/// The terminal on stdin, when this process group is in its foreground.
struct Terminal {
    fd: OwnedFd,
    group: Pid,
}

impl Terminal {
    fn of_stdin() -> Option<Self> {
        let stdin = io::stdin();
        let group = rustix::process::getpgrp();
        if rustix::termios::tcgetpgrp(stdin.as_fd()).ok()? != group {
            return None;
        }
        Some(Self { fd: stdin.as_fd().try_clone_to_owned().ok()?, group })
    }

    fn give_to(&self, child: Pid) {
        if sys::set_foreground(self.fd.as_fd(), child.as_raw_nonzero().get()).is_ok() {
            // The child may have touched the terminal too early and been stopped for it.
            let _ = kill_process_group(child, Signal::CONT);
        }
    }

    fn take_back(&self) {
        let _ = sys::set_foreground(self.fd.as_fd(), self.group.as_raw_nonzero().get());
    }

    /// The child was stopped (Ctrl-Z): stop too, and go on together.
    fn stop_with(&self, child: Pid) {
        self.take_back();
        let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::STOP);
        self.give_to(child);
    }
}

/// Writes `bytes` to this process's stderr as they are; a closed stderr is no error.
pub fn to_stderr(bytes: &[u8]) {
    let _ = io::stderr().write_all(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    fn run(supervisor: Supervisor<'_>, command: Command) -> Fate {
        supervisor.start(command).unwrap().wait().unwrap()
    }

    // A supervisor reaps every child of its process, and tests share one, so they take turns.
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

    fn turn() -> std::sync::MutexGuard<'static, ()> {
        TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[test]
    fn the_exit_code_and_the_signal_of_a_child_are_passed_on_exactly() {
        let _turn = turn();
        assert_eq!(run(Supervisor::new(), sh("exit 0")).exit(), Exit::Code(0));
        assert_eq!(run(Supervisor::new(), sh("exit 75")).exit(), Exit::Code(75));
        assert_eq!(run(Supervisor::new(), sh("kill -9 $$")).exit(), Exit::Signal(9));
    }

    #[test]
    fn a_command_that_is_absent_or_not_executable_has_its_own_code() {
        use crate::report::Explain as _;
        let _turn = turn();
        for (command, exit) in
            [("/nonexistent/command", Exit::NotFound), ("/etc/passwd", Exit::NotExecutable)]
        {
            let error = Supervisor::new().start(Command::new(command)).err().unwrap();
            assert_eq!(error.exit(), exit);
        }
    }

    #[test]
    fn on_timeout_the_whole_tree_dies_daemons_and_term_ignorers_included() {
        let _turn = turn();
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        // The file is complete before the time runs out, or the assertion on its lines fails.
        let script = format!(
            "trap '' TERM; (setsid sh -c 'echo $$; exec sleep 300' >> {0}) & (sh -c 'echo $$; exec sleep 300' >> {0}) & echo $$ >> {0}; wait; sleep 300",
            pids.display()
        );
        let fate = run(
            Supervisor::new()
                .with_timeout(Some(Duration::from_millis(600)))
                .with_grace(Duration::from_millis(200)),
            sh(&script),
        );
        assert_eq!(fate.exit(), Exit::TimedOut);
        let pids = std::fs::read_to_string(pids).unwrap();
        assert_eq!(pids.lines().count(), 3);
        for pid in pids.lines() {
            let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
            assert!(rustix::process::test_kill_process(pid).is_err(), "{pid:?} is alive");
        }
    }

    #[test]
    fn what_the_child_writes_arrives_whole_and_the_tail_keeps_the_end() {
        let _turn = turn();
        let mut tail = Tail::new(8);
        let mut n_bytes = 0;
        let mut command =
            sh("i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i+1)); done; echo the-end >&2");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Supervisor::new().start(command).unwrap();
        let stdout = running.child.stdout.take().unwrap();
        let stderr = running.child.stderr.take().unwrap();
        running.read(Stream::new(stdout, None, |piece| n_bytes += piece.len()));
        running.read(Stream::new(stderr, None, |piece| tail.push(piece)));
        assert_eq!(running.wait().unwrap().exit(), Exit::Code(0));
        assert_eq!(n_bytes, 10 * 7 + 90 * 8 + 900 * 9 + 2000 * 10);
        assert_eq!(tail.text(), "the-end\n");
    }

    #[test]
    fn a_grandchild_that_keeps_the_pipe_open_does_not_hold_us() {
        let _turn = turn();
        let mut command = sh("sleep 30 & echo done");
        command.stdout(Stdio::piped());
        let started = Instant::now();
        let mut seen = Vec::new();
        let mut running = Supervisor::new().start(command).unwrap();
        let group = Pid::from_child(&running.child);
        let stdout = running.child.stdout.take().unwrap();
        running.read(Stream::new(stdout, None, |piece| seen.extend_from_slice(piece)));
        assert_eq!(running.wait().unwrap().exit(), Exit::Code(0));
        assert_eq!(seen, b"done\n");
        assert!(started.elapsed() < Duration::from_secs(20));
        let _ = kill_process_group(group, Signal::KILL);
    }

    #[test]
    fn a_watch_can_end_the_child() {
        let _turn = turn();
        let fate = run(
            Supervisor::new().with_watch(Duration::from_millis(20), || Watch::Stop),
            sh("sleep 300"),
        );
        assert!(fate.stopped && !fate.timed_out);
        assert_eq!(fate.exit(), Exit::Signal(libc::SIGTERM));
    }
}
