//! Runs the rest of the line for the verbs that wrap a command.

use std::cell::{Cell, OnceCell};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::child::{Fate, GRACE, Stream, Supervisor, Tail, Watch};
use common::exit::Exit;
use common::report;

use super::context::Ctx;
use super::keeper::Keeper;
use crate::TOOL;
use crate::error::Error;
use crate::store::locks::Grant;

/// The time between TERM and KILL when a lock is lost.
const LOSS_GRACE: Duration = Duration::from_secs(5);
/// How much of the end of stderr the journal keeps.
const TAIL_BYTES: usize = 4096;

/// Runs `body`; what goes wrong before its command starts leaves with 125, so that a code of the command
/// cannot be taken for one of ours.
pub(super) fn guarded(ctx: &mut Ctx, body: impl FnOnce(&mut Ctx) -> anyhow::Result<Exit>) -> Exit {
    match body(ctx) {
        Ok(exit) => exit,
        Err(error) => match report::fail::<Error>(TOOL, ctx.json, &error) {
            Exit::Failed | Exit::Again | Exit::Usage => Exit::NotStarted,
            exit => exit,
        },
    }
}

/// The command of the line, with the database that was named to us in its environment.
pub(super) fn command(words: &[OsString], ctx: &Ctx) -> Command {
    // The parser requires a command, so the first word is there.
    let (program, args) =
        words.split_first().map_or((OsString::new(), words), |(first, rest)| (first.clone(), rest));
    let mut command = Command::new(program);
    command.args(args);
    if let Some(named) = &ctx.database.db {
        // The command may run elsewhere, where a relative path leads to another file.
        let place = ctx.database.place().ok();
        let absolute =
            place.and_then(|place| place.file().map(std::path::absolute)).and_then(Result::ok);
        command.env("AGENT_STATE_DB", absolute.as_ref().unwrap_or(named));
    }
    command
}

/// Gives the fencing tokens to a command, numbered as the locks stand on the command line.
pub(super) fn export_tokens<'a>(
    command: &mut Command,
    resources: impl Iterator<Item = &'a str>,
    grants: &[Grant],
) {
    for (n, resource) in resources.enumerate() {
        if let Some(grant) = grants.iter().find(|grant| grant.resource == resource) {
            command.env(format!("AGENT_STATE_LOCK_TOKEN_{}", n + 1), grant.token.to_string());
        }
    }
}

/// Opens a log that the command's output is appended to.
pub(super) fn open_log(path: &Path) -> Result<File, common::Error> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(common::error::file("open the log", path))
}

/// How a command is run.
#[derive(Default)]
pub(super) struct Terms<'a> {
    pub(super) timeout: Option<Duration>,
    pub(super) log: Option<&'a File>,
    /// Keep the end of what it writes to stderr.
    pub(super) keep_tail: bool,
    /// Keep what it writes to stdout, this many bytes and one more at most.
    pub(super) keep_stdout: Option<usize>,
}

/// How a command ended.
pub(super) struct Ended {
    pub(super) fate: Fate,
    /// It had to end because a lock, or the lease of its node, was lost.
    pub(super) lost_lock: bool,
    pub(super) stderr_tail: Option<String>,
    /// Why the log lacks something of what it printed.
    pub(super) log_failure: Option<io::Error>,
    pub(super) stdout: Vec<u8>,
}

/// Runs the command to its end.
pub(super) fn run(
    mut command: Command,
    terms: &Terms<'_>,
    mut keeper: Keeper<'_>,
) -> anyhow::Result<Ended> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    if terms.log.is_some() || terms.keep_stdout.is_some() {
        command.stdout(Stdio::piped());
    }
    // On a terminal the command's own view of it is worth more than the tail.
    if terms.log.is_some() || (terms.keep_tail && !stderr.is_terminal()) {
        command.stderr(Stdio::piped());
    }
    let lost = Cell::new(false);
    let mut tail = Tail::new(TAIL_BYTES);
    let mut kept = Vec::new();
    let log_failure = OnceCell::new();
    let mut supervisor = Supervisor::new().with_timeout(terms.timeout);
    if let Some(interval) = keeper.interval() {
        supervisor = supervisor.with_watch(interval, || {
            let watch = keeper.look();
            lost.set(watch == Watch::Stop);
            watch
        });
    }
    supervisor = supervisor.with_grace(if terms.timeout.is_some() { GRACE } else { LOSS_GRACE });
    let mut running = supervisor.start(command)?;
    if let Some(pipe) = running.child.stdout.take() {
        running.read(Stream::new(pipe, Some(stdout.as_fd()), |piece| {
            if let Some(limit) = terms.keep_stdout {
                // One byte more tells that there was more.
                let room = (limit + 1).saturating_sub(kept.len());
                kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
            }
            append(terms.log, piece, &log_failure);
        }));
    }
    if let Some(pipe) = running.child.stderr.take() {
        running.read(Stream::new(pipe, Some(stderr.as_fd()), |piece| {
            tail.push(piece);
            append(terms.log, piece, &log_failure);
        }));
    }
    let fate = running.wait()?;
    let stderr_tail = Some(tail.text()).filter(|text| !text.is_empty());
    let log_failure = log_failure.into_inner();
    Ok(Ended { fate, lost_lock: lost.get(), stderr_tail, log_failure, stdout: kept })
}

/// A full disk must not end the command whose output it is; the first failure is kept, to be told at the end.
fn append(log: Option<&File>, piece: &[u8], failure: &OnceCell<io::Error>) {
    if let Some(mut log) = log
        && let Err(error) = log.write_all(piece)
    {
        let _ = failure.set(error);
    }
}
