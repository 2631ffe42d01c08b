//! Everything that is looked at before anything is chosen: the trees, and what git knows of them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::thread::{Scope, ScopedJoinHandle};

use crate::Error;
use crate::git::{Changes, Failure, Git, History, Hot};
use crate::prepare::{self, Ahead};
use crate::request::Request;
use crate::walk::{self, Entry, Found, Progress, Root, Rules};

/// How many commits are read for what moves.
const N_COMMITS: usize = 600;

/// Of how many commits the lines are looked at.
const N_PATCHES: usize = 50;

/// What git says about one root.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The work tree, when there is one.
    pub(crate) git: Option<Git>,
    /// The last commits.
    pub(crate) history: History,
    /// What is not committed.
    pub(crate) changes: Changes,
    /// The branch.
    pub(crate) branch: Option<String>,
    /// The commit that is checked out.
    pub(crate) head: Option<String>,
    /// The last commits, merges among them, when their messages were asked for.
    pub(crate) log: History,
    /// The commit that --changed-since names.
    pub(crate) since: Option<String>,
    /// What changed since then.
    pub(crate) changed_since: BTreeSet<PathBuf>,
}

impl Known {
    /// Why git did not say all that it could.
    fn failure(&self) -> Option<&Failure> {
        let of_history = self.history.failure.as_ref();
        of_history.or(self.changes.failure.as_ref()).or(self.log.failure.as_ref())
    }
}

/// The lines that moved lately in each root, which are looked for while files are chosen and read.
#[derive(Debug)]
pub(crate) struct Moved<'scope>(Vec<Option<ScopedJoinHandle<'scope, Hot>>>);

impl Moved<'_> {
    /// Waits until the lines are known.
    pub(crate) fn join(self) -> Vec<Hot> {
        let known = |pending: ScopedJoinHandle<'_, Hot>| pending.join().unwrap_or_default();
        self.0.into_iter().map(|pending| pending.map(known).unwrap_or_default()).collect()
    }
}

/// Starts to look for the lines that moved lately; `search_path` says where git is.
pub(crate) fn moved<'scope>(
    request: &Request,
    roots: &[Root],
    search_path: &OsString,
    scope: &'scope Scope<'scope, '_>,
) -> Moved<'scope> {
    let pending = roots.iter().map(|root| {
        let git = Git::of(&root.folder, search_path.clone()).filter(|_| request.git)?;
        Some(scope.spawn(move || Hot::read(&git, N_PATCHES)))
    });
    Moved(pending.collect())
}

/// Walks the trees and asks git at the same time; `search_path` says where git is. Reads the files
/// while git thinks, if there are at most `n_read`.
pub(crate) fn look(
    request: &Request,
    roots: &[Root],
    rules: &Rules,
    search_path: &OsString,
    progress: &Progress,
    n_read: usize,
) -> Result<(Found, Vec<Known>, Ahead), Error> {
    let (mut found, known, ahead) = std::thread::scope(|scope| {
        let asked: Vec<_> = roots
            .iter()
            .map(|root| {
                let git = Git::of(&root.folder, search_path.clone()).filter(|_| request.git)?;
                let first = git.clone();
                let since = request.changed_since.clone();
                let (second, with_files) = (git.clone(), request.agent.is_some());
                Some((
                    scope.spawn(move || {
                        (History::read(&first, N_COMMITS), first.branch(), first.head())
                    }),
                    scope.spawn(move || changes(git, since.as_deref())),
                    (request.log > 0).then(|| {
                        scope.spawn(move || {
                            if with_files {
                                History::with_merges(&second, N_COMMITS.max(request.log))
                            } else {
                                History::messages(&second, request.log)
                            }
                        })
                    }),
                ))
            })
            .collect();
        let found = match &request.files {
            Some(files) => walk::list(roots, files, rules)?,
            None => walk::walk(roots, rules, progress),
        };
        let ahead = if found.entries.len() <= n_read {
            let real = |entry: &Entry| roots[entry.root].folder.join(&entry.path);
            prepare::ahead(found.entries.iter().map(real).collect())
        } else {
            Ahead::new()
        };
        let known: Vec<Known> = asked
            .into_iter()
            .map(|asked| {
                let Some((history, changes, log)) = asked else { return Known::default() };
                let (history, branch, head) = history.join().unwrap_or_default();
                let log = log.and_then(|log| log.join().ok()).unwrap_or_default();
                Known { history, branch, head, log, ..changes.join().unwrap_or_default() }
            })
            .collect();
        Ok::<_, Error>((found, known, ahead))
    })?;
    let is_absent = |known: &Known| matches!(known.failure(), Some(Failure::Absent));
    if let Some(revision) = request.changed_since.clone()
        && known.iter().all(|known| known.since.is_none())
    {
        let without_git = known.iter().any(is_absent);
        return Err(if without_git {
            Error::NoGit { revision }
        } else {
            Error::NoRevision { revision }
        });
    }
    if (request.diff || request.log > 0) && known.iter().any(is_absent) {
        let told = "packing without changes and commit messages: git is not installed";
        found.problems.push(told.to_owned());
    }
    for (root, known) in roots.iter().zip(&known).filter(|(_, known)| !is_absent(known)) {
        if let Some(failure) = known.failure() {
            let of =
                if root.label.is_empty() { String::new() } else { format!(" of {}", root.label) };
            found
                .problems
                .push(format!("packing without all of the history{of}: {}", failure.reason()));
        }
    }
    Ok((found, known, ahead))
}

fn changes(git: Git, since: Option<&str>) -> Known {
    let git = git.without_filters();
    let changes = Changes::read(&git);
    let since = since.and_then(|revision| git.commit(revision));
    let changed_since =
        since.as_ref().and_then(|commit| git.changed_since(commit).ok()).unwrap_or_default();
    Known { changes, since, changed_since, git: Some(git), ..Known::default() }
}
