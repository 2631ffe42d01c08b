//! Asks git, and lets nothing that a repository's configuration names run.
//!
//! The environment is empty but for what is set here; no system or user configuration is read;
//! hooks, pagers, filters, signature programs, the file-system monitor and every transport are
//! switched off; no lock is taken; a call has a time limit. A repository of another user is read
//! all the same, since nothing of it is executed.

mod changes;
pub(crate) mod checkout;
mod command;
mod history;
pub(crate) mod hot;
pub(crate) mod index;
#[cfg(test)]
mod tests;
mod tracked;
mod unchanged;

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::text;
pub(crate) use changes::Changes;
pub(crate) use history::History;
pub(crate) use hot::Hot;

/// How long one call of git may take.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// The most that is read of one call's output.
const OUTPUT_LIMIT: usize = 64 * 1024 * 1024;

/// What a configuration has that continues in another file.
const INCLUDES: &str = "include";

/// How git compares: nothing of the repository runs, and a file is the same file or none.
const CAREFULLY: [&str; 4] =
    ["--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all"];

/// Why git gave no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no git on this machine.
    Absent,
    /// It took too long.
    TimedOut,
    /// It failed and said this.
    Said(String),
}

impl Failure {
    /// The reason for people.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Absent => "git is not installed".to_owned(),
            Self::TimedOut => format!("git took longer than {} seconds", TIME_LIMIT.as_secs()),
            Self::Said(text) => text.clone(),
        }
    }
}

/// A work tree that git knows.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    /// Where the work tree begins.
    pub(crate) top: PathBuf,
    /// The packed folder under it, empty or ending with `/`.
    prefix: Vec<u8>,
    /// Where git is, when it is on the search path.
    program: Option<PathBuf>,
    path: std::ffi::OsString,
    filters: Vec<String>,
    time_limit: Duration,
}

impl Git {
    /// The work tree that holds `folder`; `search_path` says where git is.
    pub(crate) fn of(folder: &Path, search_path: std::ffi::OsString) -> Option<Self> {
        let top = checkout::top_of(folder)?;
        let mut prefix = folder.strip_prefix(top).ok()?.as_os_str().as_bytes().to_vec();
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        // A program that is named by its path starts faster than one that the child must find.
        // A relative folder of the search path could be one that the repository fills.
        let program = std::env::split_paths(&search_path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("git"))
            .find(|program| is_executable(program));
        let top = top.to_path_buf();
        let (path, filters) = (search_path, Vec::new());
        Some(Self { top, prefix, program, path, filters, time_limit: TIME_LIMIT })
    }

    /// Learns the names of the repository's filters, so that they can be switched off.
    ///
    /// Comparing a file with the index would otherwise run them.
    pub(crate) fn without_filters(mut self) -> Self {
        if self.surely_lacks(&["filter", INCLUDES]) {
            return self;
        }
        let listed = self.run(&["config", "-z", "--name-only", "--get-regexp", r"^filter\."]);
        for name in listed.unwrap_or_default().split(|byte| *byte == 0) {
            if let Ok(name) = std::str::from_utf8(name)
                && let Some((filter, _)) = name.rsplit_once('.')
                && !self.filters.iter().any(|known| known == filter)
            {
                self.filters.push(filter.to_owned());
            }
        }
        self
    }

    /// Whether the configuration can be seen to have none of these words, without asking git.
    fn surely_lacks(&self, words: &[&str]) -> bool {
        let folder = self.top.join(".git");
        folder.is_dir()
            && ["config", "config.worktree"].iter().all(|name| {
                match text::head(&folder.join(name)) {
                    Ok((config, size)) => {
                        let config = String::from_utf8_lossy(&config).to_ascii_lowercase();
                        let has_one = words.iter().any(|word| config.contains(word));
                        config.len() as u64 >= size && !has_one
                    }
                    Err(error) => error.kind() == std::io::ErrorKind::NotFound && *name != "config",
                }
            })
    }

    /// The path under the packed folder, for a path under the top.
    fn strip<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        path.strip_prefix(self.prefix.as_slice())
    }

    /// The branch that is checked out; `None` for a detached HEAD.
    pub(crate) fn branch(&self) -> Option<String> {
        // In most repositories a small file says it; a process takes longer to start than to read it.
        if let Ok((head, _)) = text::head(&self.top.join(".git/HEAD"))
            && let Ok(head) = std::str::from_utf8(&head)
            && let Some(name) = head.trim_end().strip_prefix("ref: refs/heads/")
            && name != ".invalid"
            && is_branch(name)
        {
            return Some(name.to_owned());
        }
        let name = self.run(&["symbolic-ref", "-q", "--short", "HEAD"]).ok()?;
        let name = String::from_utf8_lossy(&name).trim().to_owned();
        is_branch(&name).then_some(name)
    }

    /// The commit that is checked out; `None` before the first one.
    pub(crate) fn head(&self) -> Option<String> {
        let small = |name: &str| {
            let (bytes, _) = text::head(&self.top.join(".git").join(name)).ok()?;
            Some(String::from_utf8(bytes).ok()?.trim_end().to_owned())
        };
        // As with the branch, files mostly say it.
        let said = small("HEAD").and_then(|head| match head.strip_prefix("ref: refs/heads/") {
            Some(name) => small(&format!("refs/heads/{name}")),
            None => Some(head),
        });
        said.filter(|hash| is_hash(hash)).or_else(|| self.commit("HEAD"))
    }

    /// The commit that a revision names.
    pub(crate) fn commit(&self, revision: &str) -> Option<String> {
        self.object(&format!("{revision}^{{commit}}"))
    }

    /// The object of this name, which can be an expression.
    fn object(&self, name: &str) -> Option<String> {
        let hash = self.run(&["rev-parse", "--verify", "-q", "--end-of-options", name]).ok()?;
        let hash = String::from_utf8_lossy(&hash).trim().to_owned();
        is_hash(&hash).then_some(hash)
    }

    /// The arguments of a log of the last `n_commits` commits that touch the packed folder, newest
    /// first; `show` says which and what of each.
    fn log(&self, n_commits: usize, show: &[&str]) -> Vec<String> {
        let count = n_commits.to_string();
        let mut arguments = vec!["log", "-n", &count];
        arguments.extend(CAREFULLY);
        arguments.extend(show);
        let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        if !self.prefix.is_empty() {
            arguments.push("--".to_owned());
            arguments.push(String::from_utf8_lossy(&self.prefix).into_owned());
        }
        arguments
    }

    /// Runs git to its end and gives what it printed.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Vec<u8>, Failure> {
        let mut output = Vec::new();
        self.stream(arguments, |piece| {
            output.extend_from_slice(piece);
            output.len() < OUTPUT_LIMIT
        })?;
        Ok(output)
    }

    /// Runs git and hands out what it prints until `take` has enough.
    fn stream<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), Failure> {
        let program = self.program.as_ref().ok_or(Failure::Absent)?;
        let child =
            self.command(program, arguments).spawn().map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Failure::Absent,
                _ => Failure::Said(error.to_string()),
            })?;
        let mut child = Guard(child);
        let Some(mut stdout) = child.0.stdout.take() else { return Err(Failure::Absent) };
        let deadline = Instant::now() + self.time_limit;
        let mut piece = vec![0_u8; 64 * 1024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Who prints without end is always ready to be read.
            if left.is_zero() {
                return Err(Failure::TimedOut);
            }
            let wait = Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut fds = [PollFd::new(&stdout, PollFlags::IN)];
            match poll(&mut fds, Some(&wait)) {
                Ok(0) => return Err(Failure::TimedOut),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(Failure::Said(error.to_string())),
            }
            let n_bytes =
                stdout.read(&mut piece).map_err(|error| Failure::Said(error.to_string()))?;
            if n_bytes == 0 {
                break;
            }
            if !take(piece.get(..n_bytes).unwrap_or_default()) {
                return Ok(());
            }
        }
        child.end(deadline)
    }
}

/// A child that is killed and reaped when nobody needs it any more.
struct Guard(Child);

impl Guard {
    /// Waits for the end of a child whose output has been read.
    fn end(&mut self, deadline: Instant) -> Result<(), Failure> {
        let mut pause = Duration::from_micros(100);
        let status = loop {
            match self.0.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() >= deadline => return Err(Failure::TimedOut),
                // It is about to end: all that it says was said.
                Ok(None) => std::thread::sleep(pause),
                Err(error) => return Err(Failure::Said(error.to_string())),
            }
            pause = (pause * 2).min(Duration::from_millis(20));
        };
        if status.success() {
            return Ok(());
        }
        let mut said = Vec::new();
        if let Some(stderr) = self.0.stderr.take() {
            // The child is gone, so this reads what is left in the pipe and no more than fits it.
            let _ = stderr.take(4096).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said);
        let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or("git failed without a word");
        // What it is about can stand on the next line.
        let rest = lines.next().filter(|_| first.ends_with(':')).unwrap_or_default();
        let line = format!("{} {rest}", first.trim_start_matches("fatal: "));
        Err(Failure::Said(line.trim_end().to_owned()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a text is the name of a commit.
fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a text can be the name of a branch.
fn is_branch(name: &str) -> bool {
    let is_odd = |character: char| character.is_control() || character.is_whitespace();
    !name.is_empty() && name.len() < 1024 && !name.contains(is_odd)
}

fn is_executable(program: &Path) -> bool {
    program
        .metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// A path as git prints it, as a path of this system.
fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}
