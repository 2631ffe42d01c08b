//! What a child writes and this process reads, without ever blocking on whoever reads us.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What is done with each piece that the child wrote.
type OnBytes<'a> = Box<dyn FnMut(&[u8]) + 'a>;

/// Rewrites what the child wrote on its way: a piece, or `None` at the end of the stream.
type Filter<'a> = Box<dyn FnMut(Option<&[u8]>) -> Vec<u8> + 'a>;

/// Bytes that the child writes and this process reads, 4 KiB at most at a time.
pub struct Stream<'a> {
    source: OwnedFd,
    forward: Option<BorrowedFd<'a>>,
    filter: Option<Filter<'a>>,
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
        Self {
            source,
            forward,
            filter: None,
            on_bytes: Box::new(on_bytes),
            blocked: false,
            open: true,
        }
    }

    /// Forwards what `filter` makes of each piece; it is called with `None` once, at the end, for
    /// what it has held back.
    #[must_use]
    pub fn with_filter(mut self, filter: impl FnMut(Option<&[u8]>) -> Vec<u8> + 'a) -> Self {
        self.filter = Some(Box::new(filter));
        self
    }

    /// Writes a piece, or the rest at the end, to where this stream is forwarded.
    fn forward(&mut self, piece: Option<&[u8]>) {
        let filtered = self.filter.as_mut().map(|filter| filter(piece));
        let bytes = filtered.as_deref().or(piece).unwrap_or_default();
        if let Some(target) = self.forward
            && write_all(target, bytes).is_err()
        {
            // The reader of our output is gone; the child must not hang because of that.
            self.forward = None;
        }
    }

    /// Ends the stream, whether its last writer closed it or not.
    pub(super) fn finish(&mut self) {
        self.open = false;
        if self.filter.is_some() {
            self.forward(None);
            self.filter = None;
        }
    }

    /// What takes no more bytes at the moment, if that is what this stream waits for.
    pub(super) fn blocked_by(&self) -> Option<BorrowedFd<'a>> {
        if self.open && self.blocked { self.forward } else { None }
    }

    /// Whether more may come.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// What to wait for before the next [`Stream::pump`].
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        match self.forward {
            Some(target) if self.blocked => PollFd::from_borrowed_fd(target, PollFlags::OUT),
            _ => PollFd::new(&self.source, PollFlags::IN),
        }
    }

    /// Moves one piece. Returns whether there may be more at once.
    pub(super) fn pump(&mut self) -> bool {
        if !self.open {
            return false;
        }
        if let Some(target) = self.forward {
            self.blocked = !is_writable(target);
            if self.blocked {
                return false;
            }
        }
        let mut piece = [0_u8; 4096];
        match rustix::io::read(&self.source, &mut piece) {
            Ok(0) => {
                self.finish();
                false
            }
            Ok(n_bytes) => {
                let piece = piece.get(..n_bytes).unwrap_or_default();
                self.forward(Some(piece));
                (self.on_bytes)(piece);
                true
            }
            Err(rustix::io::Errno::INTR) => true,
            Err(rustix::io::Errno::AGAIN) => false,
            Err(_) => {
                // A pseudo-terminal answers EIO when its last writer is gone.
                self.finish();
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
