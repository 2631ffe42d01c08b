//! What ignore files leave out near the root, for the summary.
//!
//! The walk does not tell what it leaves out because of an ignore file, and nobody wants it to look
//! into such folders. So the first folders are listed once more, and what the walk passed over is
//! counted. Farther down that would cost as much as the walk.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ignore::DirEntry;

/// Folders at most this deep are listed; the root has depth 0.
const DEEPEST: usize = 2;

/// What a walk came across near the root.
#[derive(Debug, Default)]
pub(super) struct Near {
    folders: Vec<PathBuf>,
    seen: HashSet<PathBuf>,
}

impl Near {
    /// Notes what the walk came across, whatever becomes of it.
    pub(super) fn note(&mut self, entry: &DirEntry, is_entered: bool) {
        if entry.depth() > DEEPEST + 1 {
            return;
        }
        self.seen.insert(entry.path().to_path_buf());
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        if is_entered && is_folder && entry.depth() <= DEEPEST {
            self.folders.push(entry.path().to_path_buf());
        }
    }

    /// Adds what another thread came across.
    pub(super) fn absorb(&mut self, mut other: Self) {
        self.folders.append(&mut other.folders);
        self.seen.extend(other.seen);
    }

    /// The files and folders that the walk passed over: for each its path, and whether it is a folder.
    pub(super) fn passed_over(&self) -> impl Iterator<Item = (PathBuf, bool)> {
        let list = |folder: &PathBuf| std::fs::read_dir(folder).into_iter().flatten();
        let entries = self.folders.iter().flat_map(list).filter_map(Result::ok);
        entries.filter_map(|entry| {
            let kind = entry.file_type().ok()?;
            let path = entry.path();
            let is_left = (kind.is_file() || kind.is_dir())
                && !self.seen.contains(&path)
                && path.file_name() != Some(Path::new(".git").as_os_str());
            is_left.then(|| (path, kind.is_dir()))
        })
    }
}
