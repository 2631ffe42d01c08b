//! The daemon: opens the vault once, serves it over a private socket, wipes it when it ends.
//!
//! Only `cmd/serve.rs` imports this module, so that no client command can reach what is opened
//! here. One thread accepts, others serve; signals come in through a pipe.

mod answer;
mod ledger;
pub(crate) mod listen;
mod pool;
mod program;
mod rights;
mod session;
mod snapshot;
mod state;
mod systemd;

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use self::listen::{Door, Post};
use self::pool::Pool;
use self::state::State;
use crate::error::Error;
use crate::guard;
use crate::home::Home;
use crate::key::Source;

/// What the surroundings pass to a daemon.
pub(crate) struct Surroundings {
    /// `LISTEN_PID` and `LISTEN_FDS`.
    pub(crate) activation: Option<(u32, u32)>,
    /// `NOTIFY_SOCKET`.
    pub(crate) notify: Option<std::ffi::OsString>,
    /// `WATCHDOG_USEC`.
    pub(crate) watchdog_micros: Option<u64>,
}

/// Serves until it is told to end. `ready` is called once, when clients are answered.
pub(crate) fn run(
    home: &Home,
    source: Source,
    surroundings: &Surroundings,
    ready: impl FnOnce(&Ready<'_>),
) -> Result<(), Error> {
    guard::harden();
    common::daemon::raise_file_limit();
    home.check()?;
    let only = listen::take_turn(home)?;
    let signals = Signals::watch()
        .map_err(|source| common::Error::Process { doing: "watch for signals", source })?;
    let state = Arc::new(State::open(home.clone(), source)?);
    let door = match systemd::activated(surroundings) {
        Some(listener) => Door::passed(listener),
        None => Door::bind(home)?,
    };
    let mut post = Post::new(home, only, door)?;
    let snapshot = state.snapshot();
    ready(&Ready {
        n_credentials: snapshot.as_ref().map_or(0, |snapshot| snapshot.len()),
        is_locked_in_memory: snapshot.is_none_or(|snapshot| snapshot.is_locked_in_memory()),
        marker: std::marker::PhantomData,
    });
    let notifier = systemd::Notifier::new(surroundings);
    notifier.ready();
    let result = accept(&mut post, &signals, &state, &notifier);
    notifier.stopping();
    // The lock goes last: whoever gets it finds nothing of this daemon.
    let _only = post.leave();
    // The pages are wiped before the process ends, not by its end.
    state.lock();
    state.ledger.settle();
    result
}

/// The service of a daemon without its socket, for what the fuzz targets call.
#[cfg(any(fuzzing, test))]
pub(crate) struct ForFuzzing(State);

#[cfg(any(fuzzing, test))]
impl ForFuzzing {
    /// A home with a vault that holds these.
    pub(crate) fn prepare(
        home: &Home,
        credentials: impl IntoIterator<Item = crate::credential::Credential>,
    ) -> anyhow::Result<()> {
        let now = common::clock::now();
        home.make()?;
        crate::key::publish(&home.key(), &crate::seal::new_key())?;
        let source = Source::File(home.key());
        let seal = crate::access::seal(&source, &crate::key::read_file(&home.key())?)?;
        let mut vault = crate::store::Vault::create(&home.vault(), seal, now, |audit_key| {
            crate::audit::Trail::create(&home.audit(), audit_key)
        })?;
        vault.change(|change| {
            credentials.into_iter().try_for_each(|one| change.insert(&one).map(|_| ()))?;
            Ok(())
        })
    }

    pub(crate) fn open(home: Home) -> Result<Self, Error> {
        let source = Source::File(home.key());
        State::open(home, source).map(Self)
    }

    pub(crate) fn serve(&self, stream: UnixStream) {
        let _ = session::serve(&self.0, &pool::Slot::new(stream));
    }
}

/// What a daemon can say about itself when it is ready.
pub(crate) struct Ready<'a> {
    pub(crate) n_credentials: usize,
    pub(crate) is_locked_in_memory: bool,
    marker: std::marker::PhantomData<&'a ()>,
}

fn accept(
    post: &mut Post,
    signals: &Signals,
    state: &Arc<State>,
    notifier: &systemd::Notifier,
) -> Result<(), Error> {
    let pool = Pool::new(Arc::clone(state));
    let look_again = i64::try_from(listen::LOOK_AGAIN.as_millis()).unwrap_or(i64::MAX);
    let failed = |source: io::Error| {
        Error::from(common::Error::Process { doing: "wait for clients", source })
    };
    loop {
        let pause = if pool.is_full() { 50 } else { notifier.interval_millis().min(look_again) };
        let pause = Timespec { tv_sec: pause / 1000, tv_nsec: pause % 1000 * 1_000_000 };
        let mut fds = [
            PollFd::new(post.listener(), PollFlags::IN),
            PollFd::new(&signals.wake, PollFlags::IN),
        ];
        match poll(&mut fds, Some(&pause)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
        signals.drain();
        if signals.end.load(Ordering::SeqCst) || state.stopping.load(Ordering::SeqCst) {
            return Ok(());
        }
        if signals.lock.swap(false, Ordering::SeqCst) {
            state.lock();
        }
        if signals.reload.swap(false, Ordering::SeqCst) {
            // What went wrong is kept for `status`.
            let _ = state.reload();
        }
        post.keep()?;
        state.note_post(post.problem());
        notifier.alive();
        loop {
            match post.listener().accept() {
                Ok((stream, _)) => {
                    // The flag is not inherited on Linux, and is elsewhere.
                    let _ = stream.set_nonblocking(false);
                    pool.admit(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // No descriptors or memory: those who are served will free some.
                    std::thread::sleep(std::time::Duration::from_millis(10));
                    break;
                }
            }
        }
        pool.make_room();
    }
}

/// The signals that a daemon knows: TERM and INT end it, HUP reloads, USR1 locks.
struct Signals {
    wake: UnixStream,
    end: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    lock: Arc<AtomicBool>,
}

impl Signals {
    fn watch() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let (end, reload, lock) = <(Arc<AtomicBool>, Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        for (signal, flag) in [(SIGTERM, &end), (SIGINT, &end), (SIGHUP, &reload), (SIGUSR1, &lock)]
        {
            signal_hook::flag::register(signal, Arc::clone(flag))?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Self { wake, end, reload, lock })
    }

    fn drain(&self) {
        let mut bytes = [0_u8; 64];
        while rustix::io::read(&self.wake, &mut bytes).is_ok_and(|n_bytes| n_bytes == bytes.len()) {
        }
    }
}
