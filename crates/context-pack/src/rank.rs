//! Gives every file its value and sorts them, best first.

use crate::focus::Focus;
use crate::look::Known;
use crate::render::name_of;
use crate::request::Request;
use crate::select::Candidate;
use crate::threads::{self, map_all};
use crate::value::{self, Signals};
use crate::walk::{self, Found, Root};
use crate::{Error, named, recent};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// The files with their values, best first.
pub(crate) fn rank(
    request: &Request,
    found: &Found,
    roots: &[Root],
    known: &[Known],
) -> Result<Vec<Candidate>, Error> {
    let pins = walk::globs(&request.pin)?;
    let focus = Focus::of(&request.focus);
    let mut candidates = Vec::with_capacity(found.entries.len());
    for (index, (root, known)) in roots.iter().zip(known).enumerate() {
        let paths: Vec<&Path> = found
            .entries
            .iter()
            .filter(|entry| entry.root == index)
            .map(|entry| entry.path.as_path())
            .collect();
        let real = map_all(&paths, |_, path| root.folder.join(path));
        let mut signals = signals(known, &paths, root);
        if let Some(focus) = &focus {
            let matches = paths.iter().zip(focus.of_files(&paths, &real));
            signals.focus = matches
                .filter(|(_, found)| found.in_name + found.in_content > 0.0)
                .map(|(path, found)| {
                    (path.to_path_buf(), value::focus(found.in_name, found.in_content))
                })
                .collect();
        }
        if known.git.is_none() {
            signals.movement = recent::movement(&paths, &real);
        }
        let mut values = value::of_all(&paths, &signals);
        let named = named::worth(&paths, &real, &values);
        for (value, worth) in values.iter_mut().zip(named) {
            value.related += worth;
        }
        let made = map_all(&paths, |at, path| Candidate {
            name: entry_name(path, root),
            depth: path.components().count().saturating_sub(1),
            pinned: pins.as_ref().is_some_and(|pins| pins.is_match(path)),
            root: index,
            under_root: path.to_path_buf(),
            path: PathBuf::new(),
            value: values[at],
        });
        candidates
            .extend(made.into_iter().zip(real).map(|(made, path)| Candidate { path, ..made }));
    }
    let mut order: Vec<(bool, f64, usize)> = candidates
        .iter()
        .enumerate()
        .map(|(index, candidate)| (candidate.pinned, candidate.value.total(), index))
        .collect();
    threads::sort(&mut order, |left, right| {
        let name = |index: usize| &candidates[index].name;
        let by_value = right.1.total_cmp(&left.1);
        right.0.cmp(&left.0).then(by_value).then_with(|| name(left.2).cmp(name(right.2)))
    });
    let mut candidates: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|(_, _, index)| candidates[index].take()).collect())
}

/// New files are as interesting as changed ones, unless there are too many to be new work.
const MOST_UNTRACKED: usize = 60;

fn signals(known: &Known, paths: &[&Path], root: &Root) -> Signals {
    let movement = known.history.movement(value::weight);
    let mut changed = known.changes.changed.clone();
    if let Some(tracked) = &known.changes.tracked {
        let mut checkouts = HashMap::new();
        let untracked: BTreeSet<PathBuf> = paths
            .iter()
            .filter(|path| !tracked.contains(path.as_os_str()))
            .filter(|path| !is_of_another_checkout(path, root, &mut checkouts))
            // One more than the most says enough.
            .take(MOST_UNTRACKED + 1)
            .map(|path| path.to_path_buf())
            .collect();
        if untracked.len() <= MOST_UNTRACKED {
            changed.extend(untracked);
        }
    }
    Signals { movement, changed, since: known.changed_since.clone(), focus: HashMap::new() }
}

/// Whether a file lies in a checkout of its own below the root, as a submodule or another clone:
/// what is not committed there is not known, and what is committed is not new. `known` remembers
/// what was found out about each folder.
fn is_of_another_checkout<'a>(
    path: &'a Path,
    root: &Root,
    known: &mut HashMap<&'a Path, bool>,
) -> bool {
    let folders = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    folders.into_iter().any(|folder| {
        *known
            .entry(folder)
            .or_insert_with(|| root.folder.join(folder).join(".git").symlink_metadata().is_ok())
    })
}

/// The name of a file in the document.
pub(crate) fn entry_name(path: &Path, root: &Root) -> String {
    if root.label.is_empty() { name_of(path) } else { name_of(&Path::new(&root.label).join(path)) }
}
