//! Waiting for SQLite's own lock, in short jittered steps up to the busy timeout.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::BUSY_TIMEOUT;

const SQLITE_BUSY_RECOVERY: i32 = 261;
const SQLITE_BUSY_SNAPSHOT: i32 = 517;

thread_local! {
    // SQLite calls the handler on the thread that uses the connection, which here is the one that opened it.
    static TIMEOUT: Cell<Duration> = const { Cell::new(BUSY_TIMEOUT) };
    static WAITING_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// What of the timeout was spent on waiting elsewhere, before SQLite was asked.
    static SPENT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// How long this thread waits.
pub(super) fn timeout() -> Duration {
    TIMEOUT.get()
}

/// Changes how long this thread waits.
pub(super) fn wait_up_to(timeout: Duration) {
    TIMEOUT.set(timeout);
}

/// Begins a write, again when SQLite says that a retry is all that it needs. `since` is when the
/// waiting for it began.
pub(super) fn begin(
    connection: &mut Connection,
    since: Instant,
) -> rusqlite::Result<Transaction<'_>> {
    let until = since.checked_add(TIMEOUT.get());
    SPENT.set(since.elapsed());
    let begun = loop {
        match Transaction::new_unchecked(connection, TransactionBehavior::Immediate) {
            Err(rusqlite::Error::SqliteFailure(failure, _))
                if matches!(failure.extended_code, SQLITE_BUSY_RECOVERY | SQLITE_BUSY_SNAPSHOT)
                    && until.is_none_or(|until| Instant::now() < until) =>
            {
                thread::sleep(Duration::from_millis(1));
            }
            result => break result,
        }
    };
    SPENT.set(Duration::ZERO);
    begun
}

/// The busy handler: sleeps a jittered moment, gives up at the busy timeout.
///
/// Writers of ours come here one at a time, in the order of [`super::queue`], while the one before is in its
/// transaction: so it begins with short steps. The cap grows after 50 ms, so that dozens of waiters, where
/// there is no queue, do not spend the machine on waking up.
pub(super) fn wait_a_little(attempt: i32) -> bool {
    let now = Instant::now();
    let since = match WAITING_SINCE.get() {
        Some(since) if attempt > 0 => since,
        _ => {
            WAITING_SINCE.set(Some(now));
            now
        }
    };
    let waited = now.duration_since(since);
    if SPENT.get().saturating_add(waited) >= TIMEOUT.get() {
        return false;
    }
    let cap = if waited < Duration::from_millis(50) { 2000 } else { 8000 };
    let step = (125_u64 << attempt.clamp(0, 8)).min(cap);
    // The low bits of a monotonic clock are jitter enough; nothing here needs to be unpredictable.
    let jitter = u64::from(now.elapsed().subsec_nanos())
        ^ u64::from(waited.subsec_nanos())
        ^ u64::from(std::process::id());
    let micros = step / 8 + jitter.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (step - step / 8);
    thread::sleep(Duration::from_micros(micros));
    true
}
