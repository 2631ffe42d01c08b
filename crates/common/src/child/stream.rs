//! What a child writes and this process reads, without ever blocking on whoever reads us.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::signals::Signals;
use super::sys;
use super::target::Target;

/// What is read of a stream after the end of the child: more than any pipe of ours can hold, and
/// not what a grandchild may go on to write for ever.
const LEFT_AT_MOST: usize = 1 << 20;

/// What is done with each piece that the child wrote.
type OnBytes<'a> = Box<dyn FnMut(&[u8]) + 'a>;

/// Rewrites what the child wrote on its way: a piece, or `None` at the end of the stream.
type Filter<'a> = Box<dyn FnMut(Option<&[u8]>) -> Vec<u8> + 'a>;

/// Bytes that the child writes and this process reads, 4 KiB at most at a time.
pub struct Stream<'a> {
    /// `None` once it has ended.
    source: Option<OwnedFd>,
    forward: Option<Target<'a>>,
    filter: Option<Filter<'a>>,
    on_bytes: OnBytes<'a>,
    /// What was read, filtered, and not taken yet by who reads us.
    pending: Vec<u8>,
    blocked: bool,
}

impl<'a> Stream<'a> {
    /// Reads `source` and hands what comes to `on_bytes`.
    ///
    /// With `forward` the bytes are written there first; while that is full the child waits, as it
    /// would without us, and signals and timeouts are served all the same. When its reader is gone
    /// the child learns that by its own next write, as it would without us.
    pub fn new(
        source: impl Into<OwnedFd>,
        forward: Option<BorrowedFd<'a>>,
        on_bytes: impl FnMut(&[u8]) + 'a,
    ) -> Self {
        let source = source.into();
        // A failure leaves the descriptor blocking; poll is asked before every read anyway.
        let _ = rustix::io::ioctl_fionbio(&source, true);
        Self {
            source: Some(source),
            forward: forward.map(Target::new),
            filter: None,
            on_bytes: Box::new(on_bytes),
            pending: Vec::new(),
            blocked: false,
        }
    }

    /// Forwards what `filter` makes of each piece; it is called with `None` once, at the end, for
    /// what it has held back.
    #[must_use]
    pub fn with_filter(mut self, filter: impl FnMut(Option<&[u8]>) -> Vec<u8> + 'a) -> Self {
        self.filter = Some(Box::new(filter));
        self
    }

    /// Takes a piece, or the rest at the end, to be forwarded, and forwards what can be.
    fn forward(&mut self, piece: Option<&[u8]>) {
        let filtered = self.filter.as_mut().map(|filter| filter(piece));
        if self.forward.is_some() {
            self.pending.extend(filtered.as_deref().or(piece).unwrap_or_default());
            self.flush();
        }
    }

    /// Writes what is pending, as far as it is taken now. Returns whether nothing is left.
    fn flush(&mut self) -> bool {
        let mut n_written = 0;
        while let Some(target) = &self.forward
            && let Some(rest) = self.pending.get(n_written..).filter(|rest| !rest.is_empty())
        {
            match target.write(rest) {
                Ok(n_bytes) => n_written += n_bytes,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => {
                    // Without a reader the child must end as it would without us; on a full disk it
                    // may go on, and only its words are lost.
                    if matches!(error, Errno::PIPE | Errno::CONNRESET) {
                        self.source = None;
                    }
                    self.forward = None;
                }
            }
        }
        self.pending.drain(..n_written);
        if self.forward.is_none() {
            self.pending.clear();
        }
        self.blocked = !self.pending.is_empty();
        !self.blocked
    }

    /// Ends the stream, whether its last writer closed it or not; something may still be pending.
    fn finish(&mut self) {
        self.source = None;
        if self.filter.is_some() {
            self.forward(None);
            self.filter = None;
        }
    }

    /// Passes on what an ended child has left in its pipe: it is not lost to a slow reader of ours.
    /// A signal or the moment ends the waiting.
    pub(super) fn read_the_rest(&mut self, signals: &Signals, until: Option<Instant>) {
        let mut n_bytes = 0;
        while n_bytes < LEFT_AT_MOST {
            match self.pump() {
                0 if self.blocked_by().is_some_and(|target| signals.wait_for(target, until)) => {}
                0 => break,
                n_read => n_bytes += n_read,
            }
        }
        // A grandchild may keep it open, and say something later.
        self.leave_to_copier();
        self.finish();
        while self.blocked_by().is_some_and(|target| signals.wait_for(target, until))
            && !self.flush()
        {}
    }

    /// Leaves an open stream to a process that goes on passing it on: a background job would die of its next word
    /// otherwise. What is filtered cannot be passed on without us.
    fn leave_to_copier(&self) {
        if let (Some(source), Some(target), None, true) =
            (&self.source, &self.forward, &self.filter, self.pending.is_empty())
        {
            sys::leave_copier(source.as_fd(), target.fd());
        }
    }

    /// What takes no more bytes at the moment, if that is what this stream waits for.
    fn blocked_by(&self) -> Option<BorrowedFd<'a>> {
        self.forward.as_ref().filter(|_| self.blocked).map(Target::fd)
    }

    /// What to wait for before the next [`Stream::pump`]; nothing when no more will come.
    pub(super) fn poll_fd(&self) -> Option<PollFd<'_>> {
        match self.blocked_by() {
            Some(target) => Some(PollFd::from_borrowed_fd(target, PollFlags::OUT)),
            None => self.source.as_ref().map(|source| PollFd::new(source, PollFlags::IN)),
        }
    }

    /// Moves one piece. Returns how much was read; nothing does not mean that it has ended.
    pub(super) fn pump(&mut self) -> usize {
        if !self.flush() {
            return 0;
        }
        let Some(source) = &self.source else { return 0 };
        if let Some(target) = &self.forward {
            self.blocked = !target.is_ready();
            if self.blocked {
                return 0;
            }
        }
        let mut piece = [0_u8; 4096];
        let read = loop {
            match rustix::io::read(source, &mut piece) {
                Err(Errno::INTR) => {}
                read => break read,
            }
        };
        match read {
            Err(Errno::AGAIN) => 0,
            // A pseudo-terminal answers EIO when its last writer is gone.
            Ok(0) | Err(_) => {
                self.finish();
                0
            }
            Ok(n_bytes) => {
                let piece = piece.get(..n_bytes).unwrap_or_default();
                self.forward(Some(piece));
                (self.on_bytes)(piece);
                n_bytes
            }
        }
    }
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
