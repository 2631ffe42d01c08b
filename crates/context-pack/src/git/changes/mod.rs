//! What is not committed, and what changed since a revision.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::index::Index;
use super::tracked::Tracked;
use super::{CAREFULLY, Failure, Git, INCLUDES, to_path, unchanged};

/// Files that differ from what is committed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Staged or changed in the work tree.
    pub(crate) changed: BTreeSet<PathBuf>,
    /// The files that git tracks under the packed folder.
    pub(crate) tracked: Option<Tracked>,
    /// Why there is no answer.
    pub(crate) failure: Option<Failure>,
}

impl Changes {
    /// Compares the work tree with HEAD.
    pub(crate) fn read(git: &Git) -> Self {
        Self::by_index(git).unwrap_or_else(|| Self::by_status(git))
    }

    /// Looks at the files that git saw, and asks it only about those that may have changed; `None`
    /// when the index is one that only git understands, or git does not answer.
    ///
    /// Most often nothing has changed. Then this takes half the time of git, which looks at each
    /// file from the top of the tree, twice.
    fn by_index(git: &Git) -> Option<Self> {
        if !git.surely_lacks(&["objectformat", INCLUDES]) {
            return None;
        }
        let (index, written) = Index::read(&git.top.join(".git/index"))?;
        let suspects = unchanged::suspects(&index, written, &git.top, &git.prefix)?;
        let committed = git.object("HEAD^{tree}")?;
        let mut changed = BTreeSet::new();
        if index.tree.as_ref() != Some(&committed) {
            changed = git.differing(&["--cached", &committed, "--"], &[]).ok()?;
        }
        if !suspects.is_empty() {
            changed.extend(git.differing(&["--"], &suspects).ok()?);
        }
        let seen = index.seen.iter().filter_map(|seen| git.strip(index.path(seen)));
        let tracked = Some(seen.collect());
        Some(Self { changed, tracked, failure: None })
    }

    /// Has git look at every file.
    fn by_status(git: &Git) -> Self {
        let status = git.run(&[
            "status",
            "--porcelain=v1",
            "-z",
            "--untracked-files=no",
            "--ignore-submodules=all",
            "--no-renames",
        ]);
        let (status, failure) = match status {
            Ok(status) => (status, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        let changed =
            fields(&status).filter_map(|field| git.strip(field.get(3..)?).map(to_path)).collect();
        // What took too long once would take as long again.
        let is_slow = matches!(failure, Some(Failure::TimedOut));
        let tracked = if is_slow { None } else { git.run(&["ls-files", "-z"]).ok() };
        let tracked =
            tracked.map(|listed| fields(&listed).filter_map(|file| git.strip(file)).collect());
        Self { changed, tracked, failure }
    }
}

impl Git {
    /// The files that differ between a commit and the work tree.
    pub(crate) fn changed_since(&self, commit: &str) -> Result<BTreeSet<PathBuf>, Failure> {
        self.differing(&[commit, "--"], &[])
    }

    /// The files under the packed folder in which git finds a difference between the sides that
    /// `what` names, among those at `paths` under the top, or all of them.
    fn differing(&self, what: &[&str], paths: &[&[u8]]) -> Result<BTreeSet<PathBuf>, Failure> {
        let names = ["diff", "--name-only", "-z"].iter().chain(&CAREFULLY).chain(what);
        let paths = paths.iter().map(|path| OsStr::from_bytes(path));
        let arguments: Vec<&OsStr> = names.map(OsStr::new).chain(paths).collect();
        let listed = self.run(&arguments)?;
        Ok(fields(&listed).filter_map(|file| self.strip(file)).map(to_path).collect())
    }

    /// The difference between a commit and the work tree in these files, as a patch with `n_lines`
    /// lines around what changed.
    ///
    /// Of a file that is gone it says that, and not what was in it. With a label, which tells the
    /// packed folder from others, its names are those under the folder, and begin with it.
    pub(crate) fn patch(
        &self,
        commit: &str,
        files: &[PathBuf],
        label: &str,
        n_lines: usize,
    ) -> Result<String, Failure> {
        let names = files.iter().map(|file| {
            let mut name = OsString::from(OsStr::from_bytes(&self.prefix));
            name.push(file);
            name
        });
        let lines = format!("-U{n_lines}");
        let arguments = ["diff", &lines, "--no-color", "--irreversible-delete"].into_iter();
        let arguments = arguments.chain(CAREFULLY).chain([commit, "--"]);
        let mut arguments: Vec<OsString> = arguments.map(OsString::from).chain(names).collect();
        if !label.is_empty() {
            let mut relative = OsString::from("--relative=");
            relative.push(OsStr::from_bytes(&self.prefix));
            let prefixes = [('a', "--src-prefix"), ('b', "--dst-prefix")]
                .map(|(side, flag)| OsString::from(format!("{flag}={side}/{label}/")));
            arguments.splice(1..1, prefixes.into_iter().chain([relative]));
        }
        self.run(&arguments).map(|patch| String::from_utf8_lossy(&patch).into_owned())
    }
}

fn fields(listed: &[u8]) -> impl Iterator<Item = &[u8]> {
    listed.split(|byte| *byte == 0).filter(|field| !field.is_empty())
}
