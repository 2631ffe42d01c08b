//! Runs the child of `exec`: its output masked, its private files gone when it is.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::child::{End, Fate, Stream, Supervisor};
use common::exit::Exit;
use common::report::{self, Report};
use rustix::fs::FlockOperation;
use rustix::process::Pid;

use crate::client::Client;
use crate::error::Error;
use crate::home::Home;
use crate::mask::{Masker, Patterns};
use crate::relay::{self, Relay};
use crate::terminal::{self, Pair, Raw};

/// What is to be run.
pub(crate) struct Plan<'a> {
    pub(crate) command: Command,
    /// What to look for in its output; `None` to leave the output alone.
    pub(crate) patterns: Option<Patterns>,
    /// They live as long as the child.
    pub(crate) files: Vec<PrivateFile>,
    /// The connection that a lent token hangs on.
    pub(crate) lender: Option<Client>,
    pub(crate) program: &'a [OsString],
}

/// Runs the child to its end.
pub(crate) fn supervise(plan: Plan<'_>) -> Result<Exit, Error> {
    let Plan { mut command, patterns, files, lender, .. } = plan;
    let lines = if patterns.is_some() {
        relay::lines(&mut command).map_err(not_started)?
    } else {
        Vec::new()
    };
    let folders: Vec<PathBuf> = files.iter().map(|file| file.folder.clone()).collect();
    let relay = if lines.is_empty() && folders.is_empty() {
        None
    } else {
        Some(Relay::start(lines, patterns.as_ref(), &folders).map_err(not_started)?)
    };
    let fate = match &patterns {
        Some(patterns) if io::stdout().is_terminal() || io::stderr().is_terminal() => {
            on_terminal(command, patterns)?
        }
        _ => Supervisor::new().start(command).map_err(not_started)?.wait()?,
    };
    drop(lender);
    let was_told = fate.forwarded.is_some() && fate.end != End::Code(0);
    let passed_on = relay.map_or(Ok(()), |relay| relay.finish(was_told));
    drop(files);
    match passed_on {
        Err(error) if fate.end == End::Code(0) => Err(error),
        Err(error) => {
            report::warn(crate::TOOL, &Report::of::<Error>(&error.into()).message);
            Ok(fate.exit())
        }
        Ok(()) => Ok(fate.exit()),
    }
}

/// What the system refuses before the child is there leaves with 125; that it cannot be run has codes of its own.
fn not_started(error: impl Into<Error>) -> Error {
    match error.into() {
        Error::Common(error @ common::Error::Process { .. }) => {
            let report = Report::of::<Error>(&error.into());
            Error::NotStarted { problems: vec![report.message], hint: report.hint }
        }
        other => other,
    }
}

/// The child gets a terminal of its own wherever we have one; the rest goes through the relay.
fn on_terminal(mut command: Command, patterns: &Patterns) -> Result<Fate, Error> {
    let failed =
        |source| not_started(common::Error::Process { doing: "open a pseudo-terminal", source });
    let late =
        |source| Error::from(common::Error::Process { doing: "follow the terminal", source });
    let Pair { outer, inner } = Pair::open().map_err(failed)?;
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let inner_end = || inner.try_clone().map(Stdio::from).map_err(failed);
    if io::stdin().is_terminal() {
        command.stdin(inner_end()?);
    }
    if stdout.is_terminal() {
        command.stdout(inner_end()?);
    }
    if stderr.is_terminal() {
        command.stderr(inner_end()?);
    }
    // Restored when this function is left, whatever the child did to the settings.
    let raw = Raw::new();
    let mut running =
        Supervisor::new().with_own_terminal(inner).start(command).map_err(not_started)?;
    let target = if stdout.is_terminal() { stdout.as_fd() } else { stderr.as_fd() };
    terminal::follow_size(&outer).map_err(late)?;
    if let Some(raw) = &raw {
        terminal::pass_keys(&outer, Pid::from_child(&running.child), raw).map_err(late)?;
    }
    running.read(Stream::new(outer, Some(target), |_| ()).with_filter(filter(patterns)));
    Ok(running.wait()?)
}

fn filter(patterns: &Patterns) -> impl FnMut(Option<&[u8]>) -> Vec<u8> {
    let mut masker = Masker::new(patterns);
    move |piece| match piece {
        Some(piece) => masker.push(piece),
        None => masker.finish(),
    }
}

/// A file that only this user can read and that is gone when this value is.
///
/// It lies in memory where the system has a place for that. Each has a directory of its own with a
/// locked file, so that what a killed `exec` left behind is told from what is in use.
pub(crate) struct PrivateFile {
    folder: PathBuf,
    path: PathBuf,
    _lock: File,
}

const PREFIX: &str = "credential-proxy-exec-";

impl PrivateFile {
    pub(crate) fn new(home: &Home, content: &str) -> Result<Self, Error> {
        let place = place(home);
        sweep(&place);
        let failed =
            |source| Error::from(common::error::file("create a private file in", &place)(source));
        let folder = place.join(format!(
            "{PREFIX}{}",
            crate::seal::new_key().expose().get(..22).unwrap_or_default()
        ));
        std::fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
        let made = (|| {
            let lock = common::place::private_file(&folder.join(".lock"))?;
            rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
            let path = folder.join("secret");
            let mut file = common::place::private_file(&path)?;
            file.write_all(content.as_bytes())?;
            Ok((path, lock))
        })();
        match made {
            Ok((path, lock)) => Ok(Self { folder, path, _lock: lock }),
            Err(error) => {
                let _ = std::fs::remove_dir_all(&folder);
                Err(failed(error))
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Memory where there is some, else the private directory.
fn place(home: &Home) -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() && rustix::fs::access(memory, rustix::fs::Access::WRITE_OK).is_ok() {
        memory.to_path_buf()
    } else {
        home.dir.clone()
    }
}

/// Removes what killed processes of this user left behind.
fn sweep(place: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && path.symlink_metadata().is_ok_and(|found| {
                found.is_dir() && found.uid() == rustix::process::geteuid().as_raw()
            });
        if !is_ours {
            continue;
        }
        // Without a lock file it is being made at this moment.
        let Ok(lock) = File::open(path.join(".lock")) else { continue };
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}
