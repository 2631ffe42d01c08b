//! Lines in, answers out, over a pair of descriptors: what `rpc` and `serve` have in common.
//!
//! A client that is slow, silent, too loud or gone costs its own conversation and nothing else.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::session::Session;
use crate::wire::{self, Failure, MAX_REQUEST};

/// How long a client may take; `None` is for as long as it likes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Patience {
    /// To end a line that it began, and to take an answer.
    pub(super) line: Option<Duration>,
    /// To say something.
    pub(super) idle: Option<Duration>,
}

/// How long a client may still take its answer when the server ends.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How much is read at once.
const PIECE: usize = 64 * 1024;

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client has nothing more to say, was silent, or the server ends.
    Done,
    /// The client was told why it is not listened to any longer.
    Refused,
}

/// One conversation.
pub(super) struct Talk<'a> {
    pub(super) input: BorrowedFd<'a>,
    pub(super) output: BorrowedFd<'a>,
    /// Readable once the server ends.
    pub(super) ending: Option<BorrowedFd<'a>>,
    pub(super) patience: Patience,
}

/// What came in.
enum Heard {
    /// A whole line; the last one may lack its newline.
    Line(usize),
    TooLarge,
    Slow,
    Over,
}

impl Talk<'_> {
    /// Answers line by line until there is no more to answer.
    pub(super) fn serve(&self, session: &mut Session) -> io::Result<End> {
        let mut buffer = Vec::new();
        loop {
            let refusal = match self.hear(&mut buffer)? {
                Heard::Line(length) => {
                    let line = buffer.get(..length).unwrap_or_default();
                    if !line.trim_ascii().is_empty() {
                        self.say(session.answer(line).as_bytes())?;
                    }
                    buffer.drain(..buffer.len().min(length + 1));
                    // One large request must not be remembered by its room for the rest of the day.
                    buffer.shrink_to(PIECE * 2);
                    continue;
                }
                Heard::Over => return Ok(End::Done),
                Heard::TooLarge => Failure::too_large(),
                Heard::Slow => Failure::slow(self.patience.line.unwrap_or_default().as_secs()),
            };
            self.say(wire::answer(None, Err(&refusal)).as_bytes())?;
            return Ok(End::Refused);
        }
    }

    /// Reads until the buffer begins with a whole line.
    fn hear(&self, buffer: &mut Vec<u8>) -> io::Result<Heard> {
        let mut searched = 0;
        let silent_until = moment_in(self.patience.idle);
        let mut line_until = None;
        loop {
            if self.is_ending() {
                return Ok(Heard::Over);
            }
            let new = buffer.get(searched..).unwrap_or_default();
            let newline = new.iter().position(|byte| *byte == b'\n').map(|at| searched + at);
            if newline.unwrap_or(buffer.len()) > MAX_REQUEST {
                return Ok(Heard::TooLarge);
            }
            if let Some(newline) = newline {
                return Ok(Heard::Line(newline));
            }
            searched = buffer.len();
            let is_begun = searched > 0;
            // A line that comes in pieces has one deadline for all of them.
            let until = if is_begun {
                *line_until.get_or_insert_with(|| moment_in(self.patience.line))
            } else {
                silent_until
            };
            if !self.wait(self.input, PollFlags::IN, until)? {
                let ended = self.is_ending() || !is_begun;
                return Ok(if ended { Heard::Over } else { Heard::Slow });
            }
            buffer.reserve(PIECE);
            let read = rustix::io::read(self.input, rustix::buffer::spare_capacity(buffer));
            match read {
                Ok(0) if is_begun => return Ok(Heard::Line(searched)),
                Ok(0) => return Ok(Heard::Over),
                Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes an answer. A client that does not take it in time is given up.
    fn say(&self, mut bytes: &[u8]) -> io::Result<()> {
        let time = moment_in(self.patience.line);
        while !bytes.is_empty() {
            let until = if self.is_ending() {
                let soon = Instant::now() + LAST_WORD;
                Some(time.map_or(soon, |time| time.min(soon)))
            } else {
                time
            };
            match rustix::io::write(self.output, bytes) {
                Ok(n_bytes) => bytes = bytes.get(n_bytes..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let was_ending = self.is_ending();
                    if !self.wait(self.output, PollFlags::OUT, until)?
                        && (was_ending || !self.is_ending())
                    {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for a descriptor; `false` when the time is over, or the server ends first.
    fn wait(
        &self,
        fd: BorrowedFd<'_>,
        what: PollFlags,
        until: Option<Instant>,
    ) -> io::Result<bool> {
        let is_ending = self.is_ending();
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let time = left.map(|left| Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            let mut fds = vec![PollFd::from_borrowed_fd(fd, what)];
            // Once it is known, it must not wake us again and again.
            if let Some(ending) = self.ending.filter(|_| !is_ending) {
                fds.push(PollFd::from_borrowed_fd(ending, PollFlags::IN));
            }
            match poll(&mut fds, time.as_ref()) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            return Ok(fds.first().is_some_and(|fd| !fd.revents().is_empty()));
        }
    }

    fn is_ending(&self) -> bool {
        self.ending.is_some_and(|ending| is_ready(ending, PollFlags::IN))
    }

    /// Takes what a refused client is still sending, for a moment, so that it comes to read why.
    pub(super) fn let_go(&self) -> io::Result<()> {
        let until = Instant::now() + LAST_WORD;
        let mut dropped = vec![0_u8; PIECE];
        while self.wait(self.input, PollFlags::IN, Some(until))? && Instant::now() < until {
            match rustix::io::read(self.input, &mut dropped[..]) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The end of a time that begins now; none for a time without end.
fn moment_in(time: Option<Duration>) -> Option<Instant> {
    time.and_then(|time| Instant::now().checked_add(time))
}

/// Whether something is the case with a descriptor at this moment.
fn is_ready(fd: BorrowedFd<'_>, what: PollFlags) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::from_borrowed_fd(fd, what)];
    matches!(poll(&mut fds, Some(&now)), Ok(ready) if ready > 0)
}

/// Whether whoever reads the answers has gone. One that only ended its requests has not.
pub(super) fn is_gone(output: BorrowedFd<'_>) -> bool {
    // Nothing is asked for, so that only an end in both directions counts.
    is_ready(output, PollFlags::empty())
}
