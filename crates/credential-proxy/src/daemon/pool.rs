//! The threads that serve clients: a few that wait, more in a crowd, never more than the limit.
//!
//! A silent client holds a thread. When all are held and others wait, the clients that have been
//! silent longest are sent away, so that a crowd of them costs a valid client at most a moment.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::session;
use super::state::State;

/// The most clients that are served at once.
const MAX_THREADS: usize = 512;

/// How long a client may be silent when others are waiting for its place.
const SILENCE: Duration = Duration::from_millis(200);

/// How long a thread without work stays.
const REST: Duration = Duration::from_secs(10);

/// Room for the deepest nesting that the JSON reader follows, also in a build without optimization.
const STACK: usize = 1024 * 1024;

/// What the pool knows about one client.
pub(crate) struct Slot {
    born: Instant,
    /// Microseconds after `born` at which the client was last waited for, plus one; 0 while it is served.
    silent_since: AtomicU64,
    stays: AtomicBool,
    stream: UnixStream,
}

impl Slot {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            born: Instant::now(),
            silent_since: AtomicU64::new(0),
            stays: AtomicBool::new(false),
            stream,
        }
    }

    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// The client is quiet by right.
    pub(crate) fn stays(&self) {
        self.stays.store(true, Ordering::Relaxed);
    }

    /// The session begins to wait for its client.
    pub(crate) fn waits(&self) {
        self.silent_since.store(self.age() + 1, Ordering::Relaxed);
    }

    /// The client said something.
    pub(crate) fn works(&self) {
        self.silent_since.store(0, Ordering::Relaxed);
    }

    fn age(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX - 1)
    }

    fn has_been_silent_for(&self, time: Duration) -> bool {
        let since = self.silent_since.load(Ordering::Relaxed);
        since > 0
            && !self.stays.load(Ordering::Relaxed)
            && u128::from(self.age().saturating_sub(since)) >= time.as_micros()
    }
}

#[derive(Default)]
struct Crowd {
    waiting: VecDeque<UnixStream>,
    served: Vec<Arc<Slot>>,
    n_threads: usize,
    n_idle: usize,
}

/// The threads and the clients that wait for one.
pub(crate) struct Pool {
    state: Arc<State>,
    crowd: Mutex<Crowd>,
    arrival: Condvar,
}

impl Pool {
    pub(crate) fn new(state: Arc<State>) -> Arc<Self> {
        Arc::new(Self { state, crowd: Mutex::default(), arrival: Condvar::new() })
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new client in.
    pub(crate) fn admit(self: &Arc<Self>, stream: UnixStream) {
        let mut crowd = self.crowd();
        crowd.waiting.push_back(stream);
        if crowd.waiting.len() <= crowd.n_idle {
            self.arrival.notify_one();
        } else if crowd.n_threads < MAX_THREADS {
            let pool = Arc::clone(self);
            let started = std::thread::Builder::new()
                .name("client".to_owned())
                .stack_size(STACK)
                .spawn(move || pool.work());
            // Without a thread the client waits for one that is busy.
            if started.is_ok() {
                crowd.n_threads += 1;
            }
        }
    }

    /// Whether clients wait for a thread.
    pub(crate) fn is_full(&self) -> bool {
        let crowd = self.crowd();
        crowd.waiting.len() > crowd.n_idle
    }

    /// Sends the silent away while others wait.
    pub(crate) fn make_room(&self) {
        let crowd = self.crowd();
        if crowd.waiting.len() <= crowd.n_idle {
            return;
        }
        for slot in crowd.served.iter().filter(|slot| slot.has_been_silent_for(SILENCE)) {
            let _ = slot.stream.shutdown(Shutdown::Both);
        }
    }

    fn work(&self) {
        loop {
            let mut crowd = self.crowd();
            let stream = loop {
                if let Some(stream) = crowd.waiting.pop_front() {
                    break stream;
                }
                crowd.n_idle += 1;
                let (back, rest) =
                    self.arrival.wait_timeout(crowd, REST).unwrap_or_else(PoisonError::into_inner);
                crowd = back;
                crowd.n_idle -= 1;
                if rest.timed_out() && crowd.waiting.is_empty() {
                    crowd.n_threads -= 1;
                    return;
                }
            };
            let slot = Arc::new(Slot::new(stream));
            crowd.served.push(Arc::clone(&slot));
            drop(crowd);
            // A bug in the service of one client must not take a thread from the others; its
            // message was printed by the hook, without the payload.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _ = session::serve(&self.state, &slot);
            }));
            self.crowd().served.retain(|other| !Arc::ptr_eq(other, &slot));
        }
    }
}
