//! Lists one folder: what of it may be packed, what is left out and why, which folders come next.

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::{fs, io};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};

use super::ignores::{Has, Ignores};
use super::names::{self, Reason};
use super::queue::Worker;
use super::{Entry, Found, Progress, Rules, secrets};
use crate::git::checkout;

/// A folder that is to be listed.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its path under the root.
    pub(super) path: PathBuf,
    /// The rules of the folders above it.
    pub(super) ignores: Arc<Ignores>,
}

/// What all folders of a root are listed with.
#[derive(Debug)]
pub(super) struct Lister<'a> {
    /// The index of the root.
    root: usize,
    /// Where it is.
    folder: &'a Path,
    /// The same, opened: the system finds a folder faster from there.
    top: OwnedFd,
    /// What the user adds.
    rules: &'a Rules,
    /// How far the walk is.
    progress: &'a Progress,
}

impl<'a> Lister<'a> {
    /// A lister of the root in `folder`, which can be gone.
    pub(super) fn new(
        root: usize,
        folder: &'a Path,
        rules: &'a Rules,
        progress: &'a Progress,
    ) -> io::Result<Self> {
        let top = open(CWD, folder)?;
        Ok(Self { root, folder, top, rules, progress })
    }

    /// Lists a folder; those in it come next.
    pub(super) fn list(
        &self,
        waiting: &Waiting,
        worker: &mut Worker<'_, Waiting>,
        found: &mut Found,
    ) {
        let Waiting { path, ignores } = waiting;
        let listed = match entries(self.top.as_fd(), path) {
            Ok(listed) => listed,
            Err(error) => {
                let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
                found.problems.push(format!("cannot read {}: {error}", name.display()));
                return;
            }
        };
        let real = self.folder.join(path);
        let mut has = Has::default();
        let is_below = !path.as_os_str().is_empty();
        for (name, kind) in &listed {
            if is_below && kind.is_file() && names::is_marker(name) {
                return found.leave_out(Reason::BuildOutput);
            }
            if is_below && name == ".git" && kind.is_file() && self.is_worktree(&real) {
                return found.leave_out(Reason::WorkTree);
            }
            has.note(name);
        }
        let ignores = ignores.within(&real, path, &has, &mut found.problems);
        self.progress.0.fetch_add(listed.len(), Ordering::Relaxed);
        let mut folders = Vec::new();
        for (name, kind) in listed {
            if name == ".git" || names::is_own(&name) || !(kind.is_file() || kind.is_dir()) {
                continue;
            }
            let is_ignored =
                !ignores.is_empty() && ignores.ignore(&real.join(&name), kind.is_dir());
            let path = path.join(&name);
            if self.rules.is_output(self.folder, &path) {
                continue;
            }
            if kind.is_file() {
                self.take_file(path, is_ignored, found);
            } else if self.enters(&path, is_ignored, found) {
                folders.push(Waiting { path, ignores: Arc::clone(&ignores) });
            }
        }
        worker.add(folders);
    }

    /// Whether a folder is another work tree of the repository that is packed.
    fn is_worktree(&self, real: &Path) -> bool {
        let linked =
            checkout::linked(real).and_then(|linked| linked.into_os_string().into_string().ok());
        let main = linked.as_deref().and_then(|linked| linked.rsplit_once("/.git/worktrees/"));
        let main = main.and_then(|(main, _)| fs::canonicalize(main).ok());
        main.is_some_and(|main| self.folder.starts_with(main))
    }

    /// Notes what becomes of a file.
    fn take_file(&self, path: PathBuf, is_ignored: bool, found: &mut Found) {
        if !is_ignored {
            found.n_scanned += 1;
        }
        if self.rules.lifts(&path) {
            // It is added by its name, whatever leaves it out.
            return;
        }
        let by_name = if secrets::is_secret_in(self.folder, &path) {
            Some(Reason::Secret)
        } else {
            names::file(&path)
        };
        match by_name.or(is_ignored.then_some(Reason::Ignored)) {
            Some(reason) => found.leave_out(reason),
            None if self.rules.allow(&path) => {
                found.entries.push(Entry { root: self.root, path });
            }
            None => {}
        }
    }

    /// Whether a folder is looked into.
    fn enters(&self, path: &Path, is_ignored: bool, found: &mut Found) -> bool {
        let real = self.folder.join(path);
        if self.rules.is_of_another_agent(self.folder, path) {
            return false;
        }
        let by_name = names::folder(path, &real);
        let reason = by_name.or(is_ignored.then_some(Reason::Ignored));
        if let Some(reason) = reason {
            found.leave_out(reason);
        }
        reason.is_none()
    }
}

/// Opens a folder, and nothing that a link at its end leads to.
fn open(from: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(from, path, flags, Mode::empty())?)
}

/// What is in the folder at `path` under `top`, by name, but for what vanishes meanwhile.
fn entries(top: BorrowedFd<'_>, path: &Path) -> io::Result<Vec<(OsString, FileType)>> {
    let folder = open(top, if path.as_os_str().is_empty() { Path::new(".") } else { path })?;
    let mut folder = Dir::new(folder)?;
    let mut listed = Vec::new();
    while let Some(entry) = folder.read() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if let Some(kind) = kind(folder.fd()?, name, entry.file_type()) {
            listed.push((OsStr::from_bytes(name.to_bytes()).to_owned(), kind));
        }
    }
    listed.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    Ok(listed)
}

/// What something in a folder is; file systems that do not say it with the name are asked.
fn kind(folder: BorrowedFd<'_>, name: &CStr, said: FileType) -> Option<FileType> {
    if said != FileType::Unknown {
        return Some(said);
    }
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}
