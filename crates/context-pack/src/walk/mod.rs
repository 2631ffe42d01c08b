//! Lists the files of a tree, leaving out what nobody needs to read. It opens no file but ignore files.
//!
//! `.gitignore`, `.ignore` and `.context-packignore` count, in a git checkout and outside of one;
//! the user's global ignore file does not, so that a tree gives the same list on every machine.
//! Symbolic links are not followed. Threads find files in any order; the list is sorted.

mod agents;
mod ignores;
mod listed;
mod lister;
mod lists;
mod names;
mod overlap;
mod queue;
mod rules;
mod secrets;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use common::error::file;

pub(crate) use agents::{agents, is_shared};
pub(crate) use listed::list;
pub(crate) use names::Reason;
pub(crate) use rules::{Rules, globs, is_exact};
pub(crate) use secrets::is_secret;

use crate::Error;
use crate::threads::n_threads;
use ignores::Ignores;
use lister::{Lister, Waiting};
use overlap::Overlap;
use queue::Queue;

/// One path of the command line.
#[derive(Debug)]
pub(crate) struct Root {
    /// The directory, without symbolic links.
    pub(crate) folder: PathBuf,
    /// The one file of it that is meant, when the path is a file.
    pub(crate) only: Option<PathBuf>,
    /// What the names of its files begin with; empty unless several paths are packed.
    pub(crate) label: String,
}

/// A file of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The index of its root.
    pub(crate) root: usize,
    /// Its path under the root.
    pub(crate) path: PathBuf,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The files that may be packed, sorted by root and path.
    pub(crate) entries: Vec<Entry>,
    /// How many regular files were seen.
    pub(crate) n_scanned: usize,
    /// How many files and folders were left out, by reason.
    pub(crate) left_out: BTreeMap<Reason, usize>,
    /// What could not be read, for people.
    pub(crate) problems: Vec<String>,
}

impl Found {
    /// Sorts by root and by the bytes of the path, which is what every machine has alike.
    fn sort(&mut self) {
        // Folders were listed in their order, and a stable sort makes use of it.
        self.entries.sort_by(|left, right| {
            (left.root, left.path.as_os_str()).cmp(&(right.root, right.path.as_os_str()))
        });
    }

    fn leave_out(&mut self, reason: Reason) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    fn absorb(&mut self, mut other: Self) {
        self.entries.append(&mut other.entries);
        self.n_scanned += other.n_scanned;
        for (reason, count) in other.left_out {
            *self.left_out.entry(reason).or_default() += count;
        }
        self.problems.append(&mut other.problems);
    }
}

impl Root {
    /// Checks the path that the user named.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let real = fs::canonicalize(path).map_err(file("read", path))?;
        let metadata = fs::metadata(&real).map_err(file("read", path))?;
        if metadata.is_file() {
            let folder = real.parent().unwrap_or(Path::new("/")).to_path_buf();
            let only = real.file_name().map(PathBuf::from);
            return Ok(Self { folder, only, label: String::new() });
        }
        if !metadata.is_dir() {
            return Err(Error::NotPackable { path: path.to_path_buf() });
        }
        fs::read_dir(&real).map_err(file("read the directory", path))?;
        if is_bare_repository(&real) {
            return Err(Error::Bare { path: path.to_path_buf() });
        }
        Ok(Self { folder: real, only: None, label: String::new() })
    }

    /// What is packed: the directory, or the one file of it.
    pub(crate) fn place(&self) -> PathBuf {
        self.only.as_ref().map_or_else(|| self.folder.clone(), |only| self.folder.join(only))
    }
}

/// The folders in a folder, by name.
pub(crate) fn folders(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn is_bare_repository(folder: &Path) -> bool {
    folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir()
}

/// How far a walk is, for whoever shows progress.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicUsize);

impl Progress {
    /// The entries seen so far.
    pub(crate) fn n_seen(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lists the files under the roots.
pub(crate) fn walk(roots: &[Root], rules: &Rules, progress: &Progress) -> Found {
    let mut found = Found::default();
    let overlap = Overlap::of(roots);
    for index in overlap.order() {
        let root = &roots[index];
        let mut part = match &root.only {
            Some(only) if rules.is_output(&root.folder, only) => Found::default(),
            Some(only) => single(index, &root.folder, only, rules),
            None => folder(index, &root.folder, rules, progress),
        };
        lift(index, root, rules, &mut part);
        overlap.add(index, part, &mut found);
    }
    found.sort();
    found.entries.dedup();
    found.problems.sort();
    found
}

/// A file that was named on the command line is packed whatever it is, unless it is a secret.
fn single(root: usize, folder: &Path, path: &Path, rules: &Rules) -> Found {
    let mut found = Found { n_scanned: 1, ..Found::default() };
    if secrets::is_secret_in(folder, path) && !rules.lifts(path) {
        found.left_out.insert(Reason::Secret, 1);
        found.problems.push(listed::secret(path));
    } else {
        found.entries.push(Entry { root, path: path.to_path_buf() });
    }
    found
}

/// Adds the files that the user named exactly, whatever leaves them out.
fn lift(root: usize, of: &Root, rules: &Rules, found: &mut Found) {
    for name in &rules.lift {
        let path: PathBuf =
            Path::new(name).components().filter(|part| *part != Component::CurDir).collect();
        let real = of.folder.join(&path);
        let is_file = real.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        let is_barred = rules.hides(&of.folder, &path) || rules.is_output(&of.folder, &path);
        if of.only.is_none() && is_file && !is_barred {
            found.entries.push(Entry { root, path });
        }
    }
}

/// Whether a file that is not there any more could have been packed, as far as its name says.
pub(crate) fn is_gone(of: &Root, path: &Path, rules: &Rules) -> bool {
    let is_meant = of.only.as_ref().is_none_or(|only| only == path);
    let folders = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
    let is_left_out = secrets::is_secret_in(&of.folder, path)
        || names::file(path).is_some()
        || folders.into_iter().any(|above| names::folder(above, &of.folder.join(above)).is_some());
    is_meant
        && of.folder.join(path).symlink_metadata().is_err()
        && (rules.lifts(path) || rules.allow(path) && !is_left_out)
        && !rules.hides(&of.folder, path)
}

/// Lists the files under a folder.
fn folder(root: usize, folder: &Path, rules: &Rules, progress: &Progress) -> Found {
    let mut found = Found::default();
    let lister = match Lister::new(root, folder, rules, progress) {
        Ok(lister) => lister,
        Err(error) => {
            found.problems.push(format!("cannot read .: {error}"));
            return found;
        }
    };
    let above = Ignores::above(folder, &mut found.problems);
    let total = Mutex::new(found);
    let queue = Queue::new(Waiting { path: PathBuf::new(), ignores: above });
    let work = || {
        let mut own = Found::default();
        let mut worker = queue.worker();
        while let Some(waiting) = worker.next() {
            lister.list(&waiting, &mut worker, &mut own);
        }
        total.lock().unwrap_or_else(PoisonError::into_inner).absorb(own);
    };
    std::thread::scope(|scope| {
        for _ in 1..n_threads() {
            scope.spawn(work);
        }
        work();
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}
