//! Which folders are checkouts, by their `.git` alone, and where it leads. Asks git nothing.

use std::path::{Path, PathBuf};

use crate::text;

/// Whether a work tree begins at a folder: a clone, a submodule or a linked one.
pub(crate) fn is_top(folder: &Path) -> bool {
    folder.join(".git").symlink_metadata().is_ok()
}

/// The top of the work tree that holds a folder.
pub(crate) fn top_of(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| is_top(folder))
}

/// The folder that the `.git` of a linked work tree or of a submodule names; `None` when it is no
/// file that does.
pub(crate) fn linked(folder: &Path) -> Option<PathBuf> {
    Some(folder.join(line(&folder.join(".git"))?.strip_prefix("gitdir: ")?))
}

/// The first line of a small file.
pub(crate) fn line(path: &Path) -> Option<String> {
    let (bytes, _) = text::head(path).ok()?;
    Some(String::from_utf8(bytes).ok()?.lines().next()?.to_owned())
}
