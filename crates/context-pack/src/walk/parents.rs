//! The `.gitignore` files above a packed folder, as far as its work tree reaches.
//!
//! Above the work tree nothing counts, or the same tree would be packed differently in two places.

use std::path::{Path, PathBuf};

use ignore::DirEntry;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The ignore files of the folders above.
#[derive(Debug, Default)]
pub(super) struct Parents(Vec<Gitignore>);

impl Parents {
    /// The files above `folder` in its work tree, the nearest first.
    pub(super) fn of(folder: &Path) -> Self {
        let is_top = |folder: &Path| folder.join(".git").symlink_metadata().is_ok();
        if is_top(folder) || !folder.ancestors().any(is_top) {
            return Self::default();
        }
        let mut above: Vec<PathBuf> = Vec::new();
        for parent in folder.ancestors().skip(1) {
            above.push(parent.to_path_buf());
            if is_top(parent) {
                break;
            }
        }
        let files = above.into_iter().filter_map(|parent| {
            let mut builder = GitignoreBuilder::new(&parent);
            // A line that is no pattern is skipped, as git does.
            let _ = builder.add(parent.join(".gitignore"));
            builder.build().ok().filter(|ignore| !ignore.is_empty())
        });
        Self(files.collect())
    }

    /// Whether an entry is left out by one of them; the nearest that says something decides.
    pub(super) fn ignore(&self, entry: &DirEntry) -> bool {
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        entry.depth() > 0
            && self
                .0
                .iter()
                .map(|ignore| ignore.matched(entry.path(), is_folder))
                .find(|matched| !matched.is_none())
                .is_some_and(|matched| matched.is_ignore())
    }
}
