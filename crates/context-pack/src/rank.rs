//! Gives every file its value and sorts them, best first.

use crate::focus::Focus;
use crate::look::Known;
use crate::render::name_of;
use crate::request::Request;
use crate::select::Candidate;
use crate::threads::{self, map_all};
use crate::value::{self, Signals};
use crate::walk::{self, Found, Root};
use crate::{Error, named, parts, recent};
use foldhash::HashMap;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The files with their values, best first; `names` are those of the files in the document.
pub(crate) fn rank(
    request: &Request,
    found: &Found,
    names: &[String],
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
        let mut signals = signals(known, &paths);
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
        let worth = named::worth(&paths, &real, &values);
        for (value, worth) in values.iter_mut().zip(worth) {
            value.related += worth;
        }
        // The files of a root stand together.
        let first = candidates.len();
        let made = map_all(&paths, |at, path| Candidate {
            name: names[first + at].clone(),
            depth: parts::depth(path),
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
        let by_value = right.1.total_cmp(&left.1);
        // The files stand by root and path.
        right.0.cmp(&left.0).then(by_value).then(left.2.cmp(&right.2))
    });
    let mut candidates: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|(_, _, index)| candidates[index].take()).collect())
}

/// New files are as interesting as changed ones, unless there are too many to be new work.
const MOST_UNTRACKED: usize = 60;

fn signals(known: &Known, paths: &[&Path]) -> Signals {
    let movement = known.history.movement(value::weight);
    let mut changed = known.changes.changed.clone();
    if let Some(tracked) = &known.changes.tracked {
        let untracked: BTreeSet<PathBuf> = paths
            .iter()
            .filter(|path| !tracked.contains(path.as_os_str()))
            .map(|path| path.to_path_buf())
            .collect();
        if untracked.len() <= MOST_UNTRACKED {
            changed.extend(untracked);
        }
    }
    Signals { movement, changed, since: known.changed_since.clone(), focus: HashMap::default() }
}

/// The name of a file in the document.
pub(crate) fn entry_name(path: &Path, root: &Root) -> String {
    if root.label.is_empty() { name_of(path) } else { name_of(&Path::new(&root.label).join(path)) }
}
