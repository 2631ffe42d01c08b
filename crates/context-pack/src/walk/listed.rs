//! Exactly the files that a list names. Whatever of the list is not packed is told, for it was asked
//! for, unless `--include` or `--exclude` leaves it out.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Entry, Found, Reason, Root, Rules, secrets};
use crate::{Error, summary};

/// Takes exactly these files, which lie under one of the roots; secrets stay out.
pub(crate) fn list(roots: &[Root], files: &[PathBuf], rules: &Rules) -> Result<Found, Error> {
    let mut found = Found::default();
    let (mut n_usable, mut n_hidden) = (0, 0);
    for file in files {
        match place(roots, file) {
            Ok((root, path)) => {
                n_usable += 1;
                n_hidden += usize::from(rules.hides(&roots[root].folder, &path));
                take(&mut found, rules, &roots[root], Entry { root, path });
            }
            Err(problem) => found.problems.push(problem),
        }
    }
    if n_usable == 0
        && let Some(first) = found.problems.first()
    {
        return Err(Error::NothingListed { n_files: files.len(), first: first.clone() });
    }
    if n_hidden > 0 {
        let told = summary::counted(n_hidden, "listed files");
        let belongs = if n_hidden == 1 { "belongs" } else { "belong" };
        found.problems.push(format!("{told} {belongs} to another agent, left out"));
    }
    found.sort();
    found.entries.dedup();
    Ok(found)
}

/// The index of the root under which a regular file lies, and its path there; or why there is none.
fn place(roots: &[Root], file: &Path) -> Result<(usize, PathBuf), String> {
    let name = file.display();
    let real = fs::canonicalize(file).map_err(|error| format!("cannot read {name}: {error}"))?;
    if real.is_dir() {
        return Err(format!("{name} is a directory, and a list names files"));
    }
    if !real.is_file() {
        return Err(format!("{name} is not a regular file"));
    }
    let under = |(index, root): (usize, &Root)| {
        Some((index, real.strip_prefix(&root.folder).ok()?.to_path_buf()))
    };
    let (root, path) = roots
        .iter()
        .enumerate()
        .find_map(under)
        .ok_or_else(|| format!("{name} is not under a packed path"))?;
    // Also where the packed path is a part of it: what git keeps for itself can hold passwords.
    if real.components().any(|part| part.as_os_str() == ".git") {
        return Err(format!("{name} is a file of git itself, which is never packed"));
    }
    Ok((root, path))
}

fn take(found: &mut Found, rules: &Rules, root: &Root, entry: Entry) {
    let path = &entry.path;
    if rules.hides(&root.folder, path) || rules.is_output(&root.folder, path) {
        return;
    }
    found.n_scanned += 1;
    if secrets::is_secret_in(&root.folder, path) && !rules.lifts(path) {
        *found.left_out.entry(Reason::Secret).or_default() += 1;
        found.problems.push(secret(path));
    } else if rules.allow(path) {
        found.entries.push(entry);
    }
}

/// What is said of a secret that was named, and not by `--include`.
pub(super) fn secret(path: &Path) -> String {
    let name = path.display();
    format!("{name} is left out as a secret; only --include {name} brings it in")
}
