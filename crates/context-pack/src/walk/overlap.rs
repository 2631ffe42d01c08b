//! Paths of the command line that lie in one another: what several of them name is packed once.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Found, Root};

/// The roots in the order in which they are walked, the outermost first, and what was found so far.
#[derive(Debug)]
pub(super) struct Overlap<'a> {
    roots: &'a [Root],
    places: Vec<PathBuf>,
}

impl<'a> Overlap<'a> {
    pub(super) fn of(roots: &'a [Root]) -> Self {
        Self { roots, places: roots.iter().map(Root::place).collect() }
    }

    /// The indices of the roots; one comes after all that it lies in.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.roots.len()).collect();
        order.sort_by_key(|index| self.places[*index].components().count());
        order
    }

    /// Takes what was found under one root, after those that it lies in: what they have is theirs.
    pub(super) fn add(&self, root: usize, mut part: Found, found: &mut Found) {
        let place = &self.places[root];
        let lies_in = |other: usize| other != root && place.starts_with(&self.places[other]);
        if (0..self.roots.len()).any(lies_in) {
            let inside = found.entries.iter().filter(|entry| lies_in(entry.root));
            let real = inside.map(|entry| self.real(entry.root, &entry.path));
            let known: HashSet<PathBuf> = real.filter(|real| real.starts_with(place)).collect();
            part.entries.retain(|entry| !known.contains(&self.real(root, &entry.path)));
            if !known.is_empty() {
                // The walk of the other was here and has counted.
                part.n_scanned = 0;
                part.left_out.clear();
                part.problems.clear();
            }
        }
        found.absorb(part);
    }

    fn real(&self, root: usize, path: &Path) -> PathBuf {
        self.roots[root].folder.join(path)
    }
}
