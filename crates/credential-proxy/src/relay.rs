//! A process beside `exec` that passes the child's output on, masked, and removes private files.
//!
//! It outlives `exec`: what a background job of the child writes later is masked and passed on until
//! the last writer is gone, as whoever reads us would wait for it without us, and the files are removed
//! also when `exec` is killed. `exec` ends with its child, once that one's last words are written. What
//! goes to a terminal is not passed on here.

use std::io::{self, IsTerminal as _, PipeReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::error::Error;
use crate::mask::{Masker, Patterns};
use crate::sys;

/// How long a child that had to end makes us wait for a slow reader of its last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The stream of ours on which something goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outlet {
    Stdout = 1,
    Stderr = 2,
}

/// A pipe from the child to one of our streams.
pub(crate) struct Line {
    source: PipeReader,
    outlet: Outlet,
}

/// Gives the child a pipe in the place of each stream of ours that is no terminal.
///
/// Where both go to the same place they share one, so that the order of what is written stays.
pub(crate) fn lines(command: &mut Command) -> Result<Vec<Line>, Error> {
    let failed = |source| Error::from(common::Error::Process { doing: "make a pipe", source });
    let mut lines = Vec::new();
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let is_one = match (fstat(&stdout), fstat(&stderr)) {
        (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
        _ => false,
    };
    if !stdout.is_terminal() {
        let (source, write) = io::pipe().map_err(failed)?;
        if is_one {
            command.stderr(Stdio::from(write.try_clone().map_err(failed)?));
        }
        command.stdout(Stdio::from(write));
        lines.push(Line { source, outlet: Outlet::Stdout });
    }
    if !stderr.is_terminal() && !is_one {
        let (source, write) = io::pipe().map_err(failed)?;
        command.stderr(Stdio::from(write));
        lines.push(Line { source, outlet: Outlet::Stderr });
    }
    Ok(lines)
}

/// The process, as `exec` sees it.
pub(crate) struct Relay {
    process: Pid,
    /// Its other end hears of our end, whatever that is, and answers when the last words are written.
    control: UnixStream,
    /// Whoever still writes keeps it going, and is not waited for.
    goes_on: bool,
}

/// What is told when the child's last words are written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Report {
    /// Nobody is left who could write more.
    is_over: bool,
    /// The outlet that took no more, and why.
    failed: Option<(u8, i32)>,
}

impl Report {
    const LEN: usize = 6;

    fn to_bytes(self) -> [u8; Self::LEN] {
        let (outlet, errno) = self.failed.unwrap_or_default();
        let [a, b, c, d] = errno.to_ne_bytes();
        [u8::from(self.is_over), outlet, a, b, c, d]
    }

    fn from_bytes([is_over, outlet, a, b, c, d]: [u8; Self::LEN]) -> Self {
        let failed = (outlet != 0).then(|| (outlet, i32::from_ne_bytes([a, b, c, d])));
        Self { is_over: is_over != 0, failed }
    }
}

impl Relay {
    /// Starts the process. No thread may run in this one yet.
    pub(crate) fn start(
        lines: Vec<Line>,
        patterns: Option<&Patterns>,
        folders: &[PathBuf],
    ) -> Result<Self, Error> {
        let failed =
            |source| Error::from(common::Error::Process { doing: "start a process", source });
        let (control, other) = UnixStream::pair().map_err(failed)?;
        let process = sys::fork(|| be_relay(lines, patterns, folders, &other)).map_err(failed)?;
        Ok(Self { process, control, goes_on: false })
    }

    /// Waits until all that the child wrote is written, and the files are gone.
    ///
    /// A child that was told to end does not make us wait long for a slow reader.
    pub(crate) fn finish(mut self, was_told: bool) -> Result<(), Error> {
        // From here on a signal has nobody to be forwarded to, so it ends us as it would without a child.
        sys::let_signals_end_us();
        self.goes_on = true;
        if was_told {
            let _ = self.control.set_read_timeout(Some(LAST_WORDS));
        }
        let _ = self.control.shutdown(Shutdown::Write);
        let mut bytes = [0; Report::LEN];
        match self.control.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(source) => {
                let doing = "pass the output on";
                return Err(common::Error::Process { doing, source }.into());
            }
        }
        let report = Report::from_bytes(bytes);
        self.goes_on = !report.is_over;
        match report.failed {
            None => Ok(()),
            Some((outlet, errno)) => {
                let source = io::Error::from_raw_os_error(errno);
                Err(if outlet == Outlet::Stdout as u8 {
                    common::Error::Output(source).into()
                } else {
                    common::error::file("write to", "standard error")(source).into()
                })
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.control.shutdown(Shutdown::Both);
        if !self.goes_on && !std::thread::panicking() {
            let _ = waitpid(Some(self.process), WaitOptions::empty());
        }
    }
}

/// What the process does in its life.
fn be_relay(
    lines: Vec<Line>,
    patterns: Option<&Patterns>,
    folders: &[PathBuf],
    control: &UnixStream,
) {
    let n_lines = lines.len();
    // Nothing of ours but these may stay open: an end of a pipe that nobody uses, the connection
    // that a lent token hangs on, a descriptor that somebody waits for.
    let mut kept = vec![1, 2, control.as_raw_fd()];
    kept.extend(lines.iter().map(|line| line.source.as_raw_fd()));
    sys::stand_aside(kept);
    let _ = std::env::set_current_dir("/");
    let (tell, told) = channel();
    std::thread::scope(|scope| {
        for line in lines {
            let tell = tell.clone();
            scope.spawn(move || pass_on(line, patterns, control, &tell));
        }
        drop(tell);
        // It ends when the child has ended, or `exec` was killed and the child with it.
        let _ = (&mut &*control).read(&mut [0]);
        for folder in folders {
            let _ = std::fs::remove_dir_all(folder);
        }
        let mut report = Report { is_over: true, failed: None };
        for line in told.iter().take(n_lines) {
            report.is_over &= line.is_over;
            report.failed = report.failed.or(line.failed);
        }
        let _ = (&mut &*control).write_all(&report.to_bytes());
        let _ = control.shutdown(Shutdown::Both);
    });
}

/// Passes a line on to its end, and tells once how it is when the child has ended.
fn pass_on(line: Line, patterns: Option<&Patterns>, control: &UnixStream, tell: &Sender<Report>) {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let target = match line.outlet {
        Outlet::Stdout => stdout.as_fd(),
        Outlet::Stderr => stderr.as_fd(),
    };
    let mut masker = patterns.map(Masker::new);
    let mut failed = None;
    let mut has_told = false;
    let mut piece = vec![0_u8; 1 << 16];
    loop {
        if !has_told && is_drained(&line, control) {
            has_told = true;
            let _ = tell.send(Report { is_over: false, failed });
        }
        let n_bytes = match (&line.source).read(&mut piece) {
            Ok(n_bytes) => n_bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        let read = piece.get(..n_bytes).unwrap_or_default();
        let clean = masker
            .as_mut()
            .map(|masker| if n_bytes == 0 { masker.finish() } else { masker.push(read) });
        match write_all(target, clean.as_deref().unwrap_or(read)) {
            Ok(()) => {}
            // Without a reader the child must end as it would without us.
            Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => break,
            // On a full disk it may go on, and only its words are lost.
            Err(error) => {
                failed = failed.or(Some((line.outlet as u8, error.raw_os_error())));
            }
        }
        if n_bytes == 0 {
            break;
        }
    }
    drop(line.source);
    if !has_told {
        let _ = tell.send(Report { is_over: true, failed });
    }
}

/// Waits until there is something to read; `true` when the child has ended and there is nothing yet.
fn is_drained(line: &Line, control: &UnixStream) -> bool {
    let mut timeout = None;
    loop {
        let mut fds =
            [PollFd::new(&line.source, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
        if poll(&mut fds, timeout.as_ref()) == Err(rustix::io::Errno::INTR) {
            continue;
        }
        let [source, control] = fds;
        if !source.revents().is_empty() {
            return false;
        }
        if timeout.is_some() {
            return true;
        }
        if !control.revents().is_empty() {
            // What the child wrote before its end is there by now; one more look tells.
            timeout = Some(Timespec { tv_sec: 0, tv_nsec: 0 });
        }
    }
}

/// Writes to a stream that somebody may have made non-blocking.
fn write_all(target: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(target, bytes) {
            Ok(n_bytes) => bytes = bytes.get(n_bytes..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::from_borrowed_fd(target, PollFlags::OUT)], None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_its_way() {
        for report in [
            Report::default(),
            Report { is_over: true, failed: None },
            Report { is_over: false, failed: Some((2, libc::ENOSPC)) },
        ] {
            assert_eq!(Report::from_bytes(report.to_bytes()), report);
        }
    }
}
