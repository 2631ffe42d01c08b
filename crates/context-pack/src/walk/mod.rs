//! Lists the files of a tree, leaving out what nobody needs to read. It opens no file.
//!
//! `.gitignore`, `.ignore` and `.context-packignore` count, in a git checkout and outside of one;
//! the user's global ignore file does not, so that a tree gives the same list on every machine.
//! Symbolic links are not followed. Threads find files in any order; the list is sorted.

mod listed;
mod lists;
mod names;
mod near;
mod overlap;
mod parents;
mod rules;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use common::error::file;
use ignore::{DirEntry, WalkBuilder, WalkState};

pub(crate) use listed::list;
pub(crate) use names::Reason;
pub(crate) use rules::{Rules, agents, globs, is_exact};

use crate::Error;
use near::Near;
use overlap::Overlap;
use parents::Parents;

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
    /// Folders that hold the mark of a cache, found on the way.
    marked: BTreeSet<PathBuf>,
    /// What the walk came across near the root.
    near: Near,
}

impl Found {
    /// Sorts by root and by the bytes of the path, which is what every machine has alike.
    fn sort(&mut self) {
        self.entries.sort_unstable_by(|left, right| {
            (left.root, left.path.as_os_str()).cmp(&(right.root, right.path.as_os_str()))
        });
    }

    fn absorb(&mut self, mut other: Self) {
        self.entries.append(&mut other.entries);
        self.n_scanned += other.n_scanned;
        for (reason, count) in other.left_out {
            *self.left_out.entry(reason).or_default() += count;
        }
        self.problems.append(&mut other.problems);
        self.marked.append(&mut other.marked);
        self.near.absorb(other.near);
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
            Some(only) => single(index, only, rules),
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
fn single(root: usize, path: &Path, rules: &Rules) -> Found {
    let mut found = Found { n_scanned: 1, ..Found::default() };
    if secrets::is_secret(path) && !rules.lifts(path) {
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

fn folder(root: usize, folder: &Path, rules: &Rules, progress: &Progress) -> Found {
    let total = Arc::new(Mutex::new(Found::default()));
    let pruned = Arc::clone(&total);
    let base = folder.to_path_buf();
    let above = Parents::of(folder);
    let agents = rules.clone();
    let walker = WalkBuilder::new(folder)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .add_custom_ignore_filename(".context-packignore")
        .threads(std::thread::available_parallelism().map_or(2, |count| count.get().min(8)))
        .filter_entry(move |entry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            let under = entry.path().strip_prefix(&base).unwrap_or(entry.path());
            if above.ignore(entry) || agents.is_output(&base, under) {
                return false;
            }
            if is_folder && agents.is_of_another_agent(entry.path()) {
                lock(&pruned).near.note(entry, false);
                return false;
            }
            let reason = left_out_folder(&base, entry);
            if let Some(reason) = reason {
                let mut pruned = lock(&pruned);
                *pruned.left_out.entry(reason).or_default() += 1;
                pruned.near.note(entry, false);
            }
            reason.is_none() && entry.file_name() != ".git"
        })
        .build_parallel();
    walker.run(|| {
        let mut bag = Bag { found: Found::default(), total: Arc::clone(&total) };
        Box::new(move |result| {
            match result {
                Ok(entry) => {
                    progress.0.fetch_add(1, Ordering::Relaxed);
                    bag.found.take(root, folder, &entry, rules);
                }
                Err(error) => bag.found.problems.push(problem(folder, &error)),
            }
            WalkState::Continue
        })
    });
    let mut found = std::mem::take(&mut *lock(&total)).without_marked();
    for (path, is_folder) in std::mem::take(&mut found.near).passed_over() {
        let under = path.strip_prefix(folder).unwrap_or(&path);
        if rules.lifts(under) || rules.is_output(folder, under) {
            continue;
        }
        let reason = match is_folder {
            true => names::folder(under, &path),
            false if secrets::is_secret(under) => Some(Reason::Secret),
            false => names::file(under),
        };
        *found.left_out.entry(reason.unwrap_or(Reason::Ignored)).or_default() += 1;
    }
    found
}

impl Found {
    /// Without what lies in folders that turned out to be caches.
    fn without_marked(mut self) -> Self {
        self.marked.retain(|folder| !folder.as_os_str().is_empty());
        if !self.marked.is_empty() {
            let marked = &self.marked;
            self.entries
                .retain(|entry| !entry.path.ancestors().any(|above| marked.contains(above)));
            *self.left_out.entry(Reason::BuildOutput).or_default() += marked.len();
            self.marked.clear();
        }
        self
    }

    fn take(&mut self, root: usize, folder: &Path, entry: &DirEntry, rules: &Rules) {
        self.near.note(entry, true);
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            return;
        }
        let Ok(path) = entry.path().strip_prefix(folder) else { return };
        self.n_scanned += 1;
        if names::is_marker(path) {
            self.marked.extend(path.parent().map(Path::to_path_buf));
        }
        if rules.lifts(path) {
            // It is added by its name, whatever leaves it out.
            return;
        }
        let reason =
            if secrets::is_secret(path) { Some(Reason::Secret) } else { names::file(path) };
        match reason {
            Some(reason) => *self.left_out.entry(reason).or_default() += 1,
            None if rules.allow(path) => {
                self.entries.push(Entry { root, path: path.to_path_buf() });
            }
            None => {}
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
