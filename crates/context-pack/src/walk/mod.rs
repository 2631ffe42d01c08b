//! Lists the files of a tree, leaving out what nobody needs to read. It opens no file.
//!
//! `.gitignore`, `.ignore` and `.context-packignore` count, in a git checkout and outside of one;
//! the user's global ignore file does not, so that a tree gives the same list on every machine.
//! Symbolic links are not followed. Threads find files in any order; the list is sorted.

mod names;
mod secrets;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use common::error::file;
use ignore::{DirEntry, WalkBuilder, WalkState};

pub(crate) use names::Reason;

use crate::Error;

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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
}

fn is_bare_repository(folder: &Path) -> bool {
    folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir()
}

/// Lists the files under the roots.
pub(crate) fn walk(roots: &[Root]) -> Found {
    let mut found = Found::default();
    for (index, root) in roots.iter().enumerate() {
        found.absorb(match &root.only {
            Some(only) => single(index, only),
            None => folder(index, &root.folder),
        });
    }
    found.entries.sort();
    found.problems.sort();
    found
}

/// A file that was named on the command line is packed whatever it is, unless it is a secret.
fn single(root: usize, path: &Path) -> Found {
    let mut found = Found { n_scanned: 1, ..Found::default() };
    if secrets::is_secret(path) {
        found.left_out.insert(Reason::Secret, 1);
    } else {
        found.entries.push(Entry { root, path: path.to_path_buf() });
    }
    found
}

fn folder(root: usize, folder: &Path) -> Found {
    let total = Arc::new(Mutex::new(Found::default()));
    let pruned = Arc::clone(&total);
    let base = folder.to_path_buf();
    let walker = WalkBuilder::new(folder)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .add_custom_ignore_filename(".context-packignore")
        .threads(std::thread::available_parallelism().map_or(2, |count| count.get().min(8)))
        .filter_entry(move |entry| {
            let reason = left_out_folder(&base, entry);
            if let Some(reason) = reason {
                *lock(&pruned).left_out.entry(reason).or_default() += 1;
            }
            reason.is_none() && entry.file_name() != ".git"
        })
        .build_parallel();
    walker.run(|| {
        let mut bag = Bag { found: Found::default(), total: Arc::clone(&total) };
        Box::new(move |result| {
            match result {
                Ok(entry) => bag.found.take(root, folder, &entry),
                Err(error) => bag.found.problems.push(problem(folder, &error)),
            }
            WalkState::Continue
        })
    });
    std::mem::take(&mut *lock(&total))
}

impl Found {
    fn take(&mut self, root: usize, folder: &Path, entry: &DirEntry) {
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            return;
        }
        let Ok(path) = entry.path().strip_prefix(folder) else { return };
        self.n_scanned += 1;
        let reason =
            if secrets::is_secret(path) { Some(Reason::Secret) } else { names::file(path) };
        match reason {
            Some(reason) => *self.left_out.entry(reason).or_default() += 1,
            None => self.entries.push(Entry { root, path: path.to_path_buf() }),
        }
    }
}

/// What one thread found; it joins the rest when the thread is done.
struct Bag {
    found: Found,
    total: Arc<Mutex<Found>>,
}

impl Drop for Bag {
    fn drop(&mut self) {
        lock(&self.total).absorb(std::mem::take(&mut self.found));
    }
}

fn lock(total: &Mutex<Found>) -> std::sync::MutexGuard<'_, Found> {
    total.lock().unwrap_or_else(PoisonError::into_inner)
}

fn left_out_folder(base: &Path, entry: &DirEntry) -> Option<Reason> {
    if entry.depth() == 0 || !entry.file_type().is_some_and(|kind| kind.is_dir()) {
        return None;
    }
    let path = entry.path().strip_prefix(base).ok()?;
    names::folder(path, entry.path())
}

/// The error without the absolute path before the tree, which differs from machine to machine.
fn problem(folder: &Path, error: &ignore::Error) -> String {
    format!("cannot read {error}").replace(&format!("{}/", folder.display()), "")
}
