//! Lists one folder: what of it may be packed, what is left out and why, which folders come next.

use std::ffi::OsString;
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ignores::{Has, Ignores};
use super::names::{self, Reason};
use super::queue::Taken;
use super::{Entry, Found, Progress, Rules, secrets};
use crate::text;

/// A folder that is to be listed.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Its path under the root.
    pub(super) path: PathBuf,
    /// The rules of the folders above it.
    pub(super) ignores: Arc<Ignores>,
}

/// What all folders of a root are listed with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lister<'a> {
    /// The index of the root.
    pub(super) root: usize,
    /// Where it is.
    pub(super) folder: &'a Path,
    /// What the user adds.
    pub(super) rules: &'a Rules,
    /// How far the walk is.
    pub(super) progress: &'a Progress,
}

impl Lister<'_> {
    /// Lists a folder.
    pub(super) fn list(self, taken: &mut Taken<'_, Waiting>, found: &mut Found) {
        let Waiting { path, ignores } = &taken.work;
        let real = self.folder.join(path);
        let mut has = Has::default();
        let listed: Vec<(OsString, FileType)> = match entries(&real) {
            Ok(listed) => listed,
            Err(error) => {
                let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
                found.problems.push(format!("cannot read {}: {error}", name.display()));
                return;
            }
        };
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
                taken.more.push(Waiting { path, ignores: Arc::clone(&ignores) });
            }
        }
    }

    /// Whether a folder is another work tree of the repository that is packed.
    fn is_worktree(self, real: &Path) -> bool {
        let said = text::head(&real.join(".git")).map(|(said, _)| said).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let main = said
            .strip_prefix("gitdir: ")
            .and_then(|at| at.trim_end().rsplit_once("/.git/worktrees/"))
            .and_then(|(main, _)| fs::canonicalize(real.join(main)).ok());
        main.is_some_and(|main| self.folder.starts_with(main))
    }

    /// Notes what becomes of a file.
    fn take_file(self, path: PathBuf, is_ignored: bool, found: &mut Found) {
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
    fn enters(self, path: &Path, is_ignored: bool, found: &mut Found) -> bool {
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

/// What is in a folder, but for what vanishes meanwhile.
fn entries(real: &Path) -> std::io::Result<Vec<(OsString, FileType)>> {
    fs::read_dir(real)?
        .filter_map(|entry| match entry {
            Ok(entry) => Some(Ok((entry.file_name(), entry.file_type().ok()?))),
            Err(error) => Some(Err(error)),
        })
        .collect()
}
