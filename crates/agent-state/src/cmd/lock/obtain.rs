//! Takes locks, and waits for them in short transactions with nothing held in between.

use std::thread;
use std::time::{Duration, Instant};

use common::clock;
use common::exit::Exit;
use common::fleet::Database;
use common::fleet::liveness::{Here, Holder};

use crate::error::Error;
use crate::store;
use crate::store::locks::{self, Answer, Blocked, Grant, Request};

/// How often a waiter says that it is still there, in a transaction that also tries again.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// How long to wait, and how to leave in vain.
#[derive(Clone, Copy)]
pub(crate) struct Waiting<'a> {
    pub(crate) patience: Duration,
    pub(crate) held_exit: Exit,
    /// Whether somebody still wants the locks; who has gone leaves the queue.
    pub(crate) is_wanted: &'a dyn Fn() -> bool,
}

/// Takes all the locks of the request, or none.
///
/// Between two tries it only looks, without writing; a try is made when the way seems free.
pub(crate) fn obtain(
    database: &mut Database,
    here: &Here,
    mut request: Request,
    waiting: Waiting<'_>,
) -> anyhow::Result<Vec<Grant>> {
    let started = Instant::now();
    request.waiter = Holder::this_process(here);
    let queue = !waiting.patience.is_zero();
    let mut ticket = None;
    let mut pause = Duration::from_millis(5);
    let mut tried = started;
    loop {
        let answer = store::write(database, "acquire locks in", |tx, now| {
            locks::request(tx, &request, ticket, queue, here, now)
        })?;
        let blocked = match answer {
            Answer::Granted(grants) => return Ok(grants),
            Answer::Blocked(blocked) => blocked,
        };
        ticket = blocked.ticket;
        loop {
            let waited = started.elapsed();
            if waited >= waiting.patience || !(waiting.is_wanted)() {
                return give_up(database, blocked, waited, waiting);
            }
            let left = waiting.patience.saturating_sub(waited);
            thread::sleep(jittered(pause).min(left));
            pause = (pause * 3 / 2).min(Duration::from_millis(150));
            let seems_free = store::read(database, "look at locks in", |connection, now| {
                Ok(locks::seems_free(connection, &request, ticket, here, now)?)
            })?;
            if seems_free
                || tried.elapsed() >= SIGN_OF_LIFE
                || started.elapsed() >= waiting.patience
            {
                tried = Instant::now();
                break;
            }
        }
    }
}

/// A pause between a half and the whole of `pause`, so that waiters do not march in step.
fn jittered(pause: Duration) -> Duration {
    let noise = u64::from(Instant::now().elapsed().subsec_nanos())
        ^ u64::from(std::process::id()).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ u64::try_from(clock::now().0).unwrap_or(0);
    let half = u64::try_from(pause.as_micros() / 2).unwrap_or(1).max(1);
    Duration::from_micros(half + noise.wrapping_mul(0x9E37_79B9_7F4A_7C15) % half)
}

fn give_up(
    database: &mut Database,
    blocked: Box<Blocked>,
    waited: Duration,
    waiting: Waiting<'_>,
) -> anyhow::Result<Vec<Grant>> {
    if let Some(ticket) = blocked.ticket {
        store::write(database, "leave the queue in", |tx, _| Ok(locks::withdraw(tx, ticket)?))?;
    }
    let waited_ms = (!waiting.patience.is_zero())
        .then(|| u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
    Err(Error::Held { blocked, now: clock::now(), waited_ms, exit: waiting.held_exit }.into())
}
