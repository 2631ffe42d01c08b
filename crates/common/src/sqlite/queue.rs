//! Whose turn it is: to create the file, and to write to it.
//!
//! SQLite has no queue. Whoever looks at the right moment gets its lock, so that newcomers overtake those
//! who have waited for long, and some wait in vain. Here writers draw numbers: each locks the byte of its
//! number in `<file>.init` and sleeps until the byte before it is free. So they come in the order of their
//! numbers, and the kernel wakes exactly the next one.
//!
//! The line is a courtesy. SQLite's own lock decides, so nothing depends on everybody standing in it: who
//! cannot open the side file writes without. One that is killed gives its byte back with its file
//! descriptor, and one that is stopped delays those behind it by a part of their timeout.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, file};

/// The side file of the database `path`.
///
/// It is never unlinked: a waiter may already hold its inode.
pub(super) fn side_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".init");
    PathBuf::from(name)
}

fn open(side: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(side)
}

/// Holds the lock under which a database is created; it ends with the returned file.
///
/// Whoever creates may have been stopped, so the wait ends at the busy timeout, too.
pub(super) fn turn_to_create(path: &Path, busy_timeout: Duration) -> Result<File, Error> {
    let side = side_file(path);
    let lock = open(&side).map_err(file("create the lock file", &side))?;
    let until = Instant::now().checked_add(busy_timeout);
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(source)) => return Err(file("lock", &side)(source)),
            Err(TryLockError::WouldBlock) if until.is_some_and(|until| Instant::now() >= until) => {
                let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                let why = "another process is creating it".to_owned();
                let source = rusqlite::Error::SqliteFailure(busy, Some(why));
                return Err(Error::Busy { path: path.to_path_buf(), source: source.into() });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

#[cfg(target_os = "linux")]
pub(super) use line::turn_to_write;

/// Other kernels have no lock that fits: their writers wait for SQLite's own, in no order.
#[cfg(not(target_os = "linux"))]
pub(super) fn turn_to_write(_side: &Path, _at_most: Duration) -> Option<File> {
    None
}

#[cfg(target_os = "linux")]
mod line {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::FileExt as _;
    use std::sync::{Arc, mpsc};

    use super::{Duration, File, Instant, Path, io, open, thread};
    use crate::sys::{self, ByteLock};

    /// The byte under whose lock numbers are drawn.
    const DRAWING: i64 = 0;
    /// The byte of number 0. The file itself holds the next number, and is far shorter.
    const FIRST: i64 = 4096;

    /// A number that was drawn, until it is dropped.
    pub(in super::super) struct Turn {
        file: Arc<File>,
        number: i64,
    }

    impl Drop for Turn {
        fn drop(&mut self) {
            // Closing alone would leave it with a copy that a fork of another thread has for an instant.
            let _ = set(&self.file, FIRST + self.number, ByteLock::Unlock);
        }
    }

    fn set(file: &File, offset: i64, lock: ByteLock) -> io::Result<()> {
        sys::lock_byte(file.as_fd(), offset, lock, false)
    }

    /// Waits for the turn to write; `None` when there is no line to stand in. After the time given the
    /// turn is taken all the same, beside whoever holds it up.
    pub(in super::super) fn turn_to_write(side: &Path, at_most: Duration) -> Option<Turn> {
        let until = Instant::now().checked_add(at_most)?;
        let turn = draw(open(side).ok()?, until)?;
        if turn.number > 0 {
            wait(&turn.file, FIRST + turn.number - 1, until);
        }
        Some(turn)
    }

    fn draw(file: File, until: Instant) -> Option<Turn> {
        // It is held for microseconds.
        while set(&file, DRAWING, ByteLock::Exclusive).is_err() {
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(Duration::from_micros(100));
        }
        let drawn = next(&file);
        let _ = set(&file, DRAWING, ByteLock::Unlock);
        drawn.ok().map(|number| Turn { file: Arc::new(file), number })
    }

    /// The next number; its byte is locked.
    fn next(file: &File) -> io::Result<i64> {
        let mut bytes = [0; 8];
        // An empty file, as creating leaves it, says 0. So does one that holds something else.
        let n_read = file.read_at(&mut bytes, 0)?;
        let number = i64::from_le_bytes(bytes);
        let number = if n_read == 8 && (0..i64::MAX / 2).contains(&number) { number } else { 0 };
        file.write_all_at(&(number + 1).to_le_bytes(), 0)?;
        set(file, FIRST + number, ByteLock::Exclusive)?;
        Ok(number)
    }

    /// Waits until nobody holds the byte of the number before, or the time is over.
    fn wait(file: &Arc<File>, before: i64, until: Instant) {
        if set(file, before, ByteLock::Shared).is_ok() {
            return;
        }
        let (sender, receiver) = mpsc::channel();
        let file = Arc::clone(file);
        // The kernel's wait has no timeout, so a thread waits.
        let waiter = thread::Builder::new().name("turn".to_owned()).spawn(move || {
            while sys::lock_byte(file.as_fd(), before, ByteLock::Shared, true)
                .is_err_and(|error| error.kind() == io::ErrorKind::Interrupted)
            {}
            let _ = sender.send(());
        });
        if waiter.is_ok() {
            let _ = receiver.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
}
