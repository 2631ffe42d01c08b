//! Gives every file its value and sorts them, best first.

use crate::focus::Focus;
use crate::git::checkout;
use crate::look::Known;
use crate::render::name_of;
use crate::request::Request;
use crate::select::Candidate;
use crate::threads::{self, map_all};
use crate::value::{self, Signals, Value};
use crate::walk::{self, Entry, Found, Root};
use crate::{Error, named, parts, recent};
use foldhash::HashMap;
use std::path::Path;

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
    // The files of a root stand together.
    let mut values = Vec::with_capacity(found.entries.len());
    for (index, (root, known)) in roots.iter().zip(known).enumerate() {
        let of_root = found.entries.iter().filter(|entry| entry.root == index);
        let paths: Vec<&Path> = of_root.map(|entry| entry.path.as_path()).collect();
        values.extend(values_in(root, known, &paths, focus.as_ref()));
    }
    let is_pinned = |path: &Path| pins.as_ref().is_some_and(|pins| pins.is_match(path));
    let entries = found.entries.iter().zip(&values).enumerate();
    let mut order: Vec<(bool, f64, usize)> =
        entries.map(|(at, (entry, value))| (is_pinned(&entry.path), value.total(), at)).collect();
    threads::sort(&mut order, |left, right| {
        let by_value = right.1.total_cmp(&left.1);
        // The files stand by root and path.
        right.0.cmp(&left.0).then(by_value).then(left.2.cmp(&right.2))
    });
    Ok(map_all(&order, |_, (pinned, _, at)| {
        let Entry { root, path } = &found.entries[at];
        Candidate {
            name: names[at].clone(),
            value: values[at],
            pinned,
            root: *root,
            under_root: path.clone(),
            depth: parts::depth(path),
        }
    }))
}

/// The values of the files at `paths` under a root.
fn values_in(root: &Root, known: &Known, paths: &[&Path], focus: Option<&Focus>) -> Vec<Value> {
    let mut signals = signals(known, paths, root);
    if let Some(focus) = focus {
        let matches = paths.iter().zip(focus.of_files(paths, &root.folder));
        signals.focus = matches
            .filter(|(_, found)| found.in_name + found.in_content > 0.0)
            .map(|(path, found)| {
                (path.to_path_buf(), value::focus(found.in_name, found.in_content))
            })
            .collect();
    }
    if known.git.is_none() {
        signals.movement = recent::movement(paths, &root.folder);
    }
    let mut values = value::of_all(paths, &signals);
    let worth = named::worth(paths, &root.folder, &values);
    for (value, worth) in values.iter_mut().zip(worth) {
        value.related += worth;
    }
    values
}

/// New files are as interesting as changed ones, unless there are too many to be new work.
const MOST_UNTRACKED: usize = 60;

fn signals(known: &Known, paths: &[&Path], root: &Root) -> Signals {
    let movement = known.history.movement(value::weight);
    let mut changed = known.changes.changed.clone();
    if let Some(tracked) = &known.changes.tracked {
        let mut checkouts = HashMap::default();
        let untracked: Vec<&Path> = tracked
            .untracked(paths)
            .filter(|path| !is_of_another_checkout(path, root, &mut checkouts))
            // One more than the most says enough.
            .take(MOST_UNTRACKED + 1)
            .collect();
        if untracked.len() <= MOST_UNTRACKED {
            changed.extend(untracked.into_iter().map(Path::to_path_buf));
        }
    }
    Signals { movement, changed, since: known.changed_since.clone(), focus: HashMap::default() }
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
        *known.entry(folder).or_insert_with(|| checkout::is_top(&root.folder.join(folder)))
    })
}

/// The name of a file in the document.
pub(crate) fn entry_name(path: &Path, root: &Root) -> String {
    if root.label.is_empty() { name_of(path) } else { name_of(&Path::new(&root.label).join(path)) }
}
