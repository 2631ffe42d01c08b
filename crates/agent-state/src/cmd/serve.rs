//! `serve`: the same answers on a private Unix socket, for many clients at once.
//!
//! One thread accepts, and each client has one of its own with one connection to the database.

use std::collections::VecDeque;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use common::daemon::{self, Ending, Listening, OnlyOne, Turn};
use common::exit::Exit;
use common::fleet::DatabaseArgs;
use common::{place, report};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use super::context::Ctx;
use super::session::Session;
use super::talk::{self, End, Patience, Talk};
use crate::TOOL;
use crate::cli::serving::Serve;
use crate::error::Error;
use crate::wire::call::{Caller, Parser};
use crate::wire::{self, Failure, MAX_CLIENTS};

/// How long a client may take to end a line that it began, and to take an answer.
const LINE: Duration = Duration::from_secs(10);

/// How long the requests under way may take when the server is told to end.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// How long a client that is not served may take to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// Room for the deepest call of the command line's parser in a build without optimization.
const STACK: usize = 4 << 20;

pub(crate) fn run(args: &Serve, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let socket = socket(args, &ctx.database)?;
    if let Some(folder) = socket.parent() {
        place::private_dir(folder)?;
        warn_of_open_folder(folder);
    }
    let mut lock = socket.clone().into_os_string();
    lock.push(".lock");
    let _only = match OnlyOne::take(Path::new(&lock))? {
        Turn::Ours(only) => only,
        Turn::Taken(pid) => return Err(Error::AlreadyServing { socket, pid }.into()),
    };
    let ending = Arc::new(Ending::watch()?);
    let most = most_clients(daemon::raise_file_limit());
    // Both would otherwise be found wrong, or be built, by the first client.
    drop(ctx.open()?);
    Parser::get();
    let listening = Listening::bind(&socket)?;
    listening
        .listener()
        .set_nonblocking(true)
        .map_err(common::error::file("listen on", &socket))?;
    tell_ready(ctx, &socket);
    let crowd = Arc::new(Crowd {
        database: ctx.database.clone(),
        idle: args.idle,
        most,
        ending,
        n_served: Mutex::new(0),
        left: Condvar::new(),
    });
    accept(&listening, &crowd)?;
    daemon::notify("STOPPING=1");
    drop(listening);
    crowd.wait_for_last();
    Ok(Exit::Done)
}

/// The socket, absolute, so that what is printed can be used from anywhere.
fn socket(args: &Serve, database: &DatabaseArgs) -> anyhow::Result<PathBuf> {
    let named = match &args.socket {
        Some(socket) => socket.clone(),
        None => database.place()?.local().with_file_name("agent-state.sock"),
    };
    Ok(std::path::absolute(&named).map_err(common::error::file("find the place of", &named))?)
}

/// Whoever may write into the folder of a socket can put another in its place.
fn warn_of_open_folder(folder: &Path) {
    const STICKY: u32 = 0o1000;
    let mode = fs::metadata(folder).map_or(0, |folder| folder.permissions().mode());
    if mode & 0o022 != 0 && mode & STICKY == 0 {
        let folder = folder.display();
        let mode = mode & 0o7777;
        report::warn(TOOL, &format!("{folder} has mode {mode:o}: others can replace the socket"));
    }
}

fn tell_ready(ctx: &mut Ctx, socket: &Path) {
    let facts = json!({ "socket": socket.display().to_string(), "pid": std::process::id() });
    // Nobody may be there to read it.
    let _ = ctx.show(&facts, || socket.display().to_string());
    let _ = ctx.out.flush();
    daemon::notify("READY=1\nSTATUS=serving");
}

/// As many clients as so many open files are enough for.
fn most_clients(n_files: u64) -> usize {
    /// Its socket, the database and its log.
    const OF_A_CLIENT: u64 = 3;
    /// Our own, those who are being refused, and what a command opens for a moment.
    const RESERVE: u64 = 32;
    let most = n_files.saturating_sub(RESERVE) / OF_A_CLIENT;
    usize::try_from(most).unwrap_or(MAX_CLIENTS).clamp(1, MAX_CLIENTS)
}

/// The clients of this server.
struct Crowd {
    database: DatabaseArgs,
    idle: Duration,
    /// How many are served at once.
    most: usize,
    ending: Arc<Ending>,
    n_served: Mutex<usize>,
    left: Condvar,
}

/// Takes clients in until the server is told to end.
fn accept(listening: &Listening, crowd: &Arc<Crowd>) -> Result<(), common::Error> {
    let failed = |source: io::Error| common::Error::Process { doing: "wait for clients", source };
    let mut refused: VecDeque<(Instant, UnixStream)> = VecDeque::new();
    while !crowd.ending.is_due() {
        let pause = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        let mut fds = [
            PollFd::new(listening.listener(), PollFlags::IN),
            PollFd::new(&*crowd.ending, PollFlags::IN),
        ];
        match poll(&mut fds, Some(&pause).filter(|_| !refused.is_empty())) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
        refused.retain(|(since, _)| since.elapsed() < FAREWELL);
        match listening.listener().accept() {
            Ok((stream, _)) => {
                if let Some(stream) = crowd.admit(stream) {
                    // Closed at once, it could not be read by a client that is still writing.
                    refused.truncate(crowd.most / 2);
                    refused.push_front((Instant::now(), stream));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // No descriptors or memory: those who are served will free some.
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
    Ok(())
}

impl Crowd {
    fn n_served(&self) -> MutexGuard<'_, usize> {
        self.n_served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a client in a thread of its own. One that cannot be served is told so and given back.
    fn admit(self: &Arc<Self>, stream: UnixStream) -> Option<UnixStream> {
        // No word to strangers; root is let in, as it is everywhere.
        if !daemon::is_trusted(&stream) || stream.set_nonblocking(true).is_err() {
            return None;
        }
        let refuse = |stream: &UnixStream| refuse(stream, self.most);
        let Some(place) = self.place() else { return Some(stream).inspect(refuse) };
        let stream = Arc::new(stream);
        let mine = Arc::clone(&stream);
        let thread = thread::Builder::new().name("client".to_owned()).stack_size(STACK);
        let started = thread.spawn(move || {
            // What went wrong with a client is the end of that client.
            let _ = place.0.serve(&mine);
        });
        match started {
            Ok(_) => None,
            // Without a thread for it, it is one too many as well.
            Err(_) => Arc::into_inner(stream).inspect(refuse),
        }
    }

    /// A place among those that are served, if one is free.
    fn place(self: &Arc<Self>) -> Option<Place> {
        let mut n_served = self.n_served();
        (*n_served < self.most).then(|| {
            *n_served += 1;
            Place(Arc::clone(self))
        })
    }

    fn serve(&self, stream: &Arc<UnixStream>) -> io::Result<()> {
        let caller = Caller { run: None, is_elsewhere: true };
        let (client, ending) = (Arc::clone(stream), Arc::clone(&self.ending));
        let is_wanted = move || !ending.is_due() && !talk::is_gone(client.as_fd());
        let mut session = Session::new(&self.database, caller, is_wanted);
        let stream: BorrowedFd<'_> = stream.as_fd();
        let talk = Talk {
            input: stream,
            output: stream,
            ending: Some(self.ending.as_fd()),
            patience: Patience { line: Some(LINE), idle: Some(self.idle) },
        };
        match talk.serve(&mut session)? {
            End::Done => Ok(()),
            End::Refused => talk.let_go(),
        }
    }

    /// Waits for the requests under way. What is not done by then is undone with its transaction.
    fn wait_for_last(&self) {
        let mut n_served = self.n_served();
        let until = Instant::now() + LAST_REQUESTS;
        while *n_served > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            n_served =
                self.left.wait_timeout(n_served, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Tells a client that it is one too many. Its line is short enough for any socket.
fn refuse(stream: &UnixStream, n_served: usize) {
    let line = wire::answer(None, Err(&Failure::too_many(n_served)));
    // It may have gone already.
    let _ = rustix::io::write(stream, line.as_bytes());
}

/// A client's place among those that are served, given back at its end however it ends.
struct Place(Arc<Crowd>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut n_served = self.0.n_served();
        *n_served = n_served.saturating_sub(1);
        self.0.left.notify_all();
    }
}
