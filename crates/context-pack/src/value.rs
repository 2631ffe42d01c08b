//! What a file is worth: the one table of weights, and the sum that makes a value of them.
//!
//! The unit is one change in the newest commit. A value depends on the path, the tree, the history
//! and what was asked for, never on a clock, and is made of sums and quotients only, which every
//! machine computes alike.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::kind::Kind;

/// What a kind is worth by itself, before anything is known about the file.
pub(crate) fn base(kind: Kind) -> f64 {
    match kind {
        Kind::Instruction => 4.0,
        Kind::Readme => 0.5,
        Kind::Manifest | Kind::Guide => 0.3,
        Kind::Entry => 0.25,
        Kind::Source => 0.10,
        Kind::Test => 0.06,
        Kind::Settings | Kind::Document => 0.03,
        Kind::Other => 0.01,
        Kind::Fixture => 0.004,
        Kind::Chronicle => 0.002,
    }
}

/// What is left of the base value one folder further down.
const DEEPER: f64 = 0.8;

/// After this many commits a change counts half.
const HALF_AT: f64 = 40.0;

/// A commit of this many files counts half for each of them.
const WIDE: f64 = 12.0;

/// What a file gets of the average movement of the files beside it.
const NEIGHBORS: f64 = 0.25;

/// What a file that differs from HEAD is worth on top.
const CHANGED: f64 = 20.0;

/// What a kind keeps of its movement: long chronicles move often, and nobody reads them.
fn mobility(kind: Kind) -> f64 {
    match kind {
        Kind::Chronicle => 0.05,
        Kind::Fixture => 0.4,
        _ => 1.0,
    }
}

/// How much of a commit each of its files gets.
pub(crate) fn weight(age: usize, n_files: usize) -> f64 {
    let age = to_f64(age) / HALF_AT;
    let width = to_f64(n_files) / WIDE;
    1.0 / (1.0 + age) / (1.0 + age * 0.3) / (1.0 + width)
}

/// How the lines of a file are rated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Excerpts {
    /// The rate of a line that did not move.
    pub(crate) cold: f64,
    /// How many lines on either side of a hot one are as hot.
    pub(crate) reach: usize,
    /// After this many commits a hot line counts half.
    pub(crate) half_at: f64,
}

impl Default for Excerpts {
    fn default() -> Self {
        Self { cold: 0.12, reach: 3, half_at: 15.0 }
    }
}

impl Excerpts {
    /// The rate of a line that was written `age` commits ago.
    pub(crate) fn rate(&self, age: usize) -> f64 {
        self.cold + 1.0 / (1.0 + to_f64(age) / self.half_at)
    }
}

/// A value and what it is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value {
    /// What the file is.
    pub(crate) kind: Kind,
    /// What it is worth as such.
    pub(crate) base: f64,
    /// How much it moved lately.
    pub(crate) movement: f64,
    /// How much the files beside it moved.
    pub(crate) neighbors: f64,
    /// That it differs from what is committed.
    pub(crate) changed: f64,
}

impl Value {
    /// The sum.
    pub(crate) fn total(&self) -> f64 {
        self.base + self.movement + self.neighbors + self.changed
    }
}

/// What is known about the files besides their names.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// How much each file moved.
    pub(crate) movement: HashMap<PathBuf, f64>,
    /// Files that differ from what is committed.
    pub(crate) changed: std::collections::BTreeSet<PathBuf>,
}

/// The values of the files at `paths`, all of one root.
pub(crate) fn of_all<'a>(paths: impl Iterator<Item = &'a Path> + Clone, signals: &Signals) -> Vec<Value> {
    let mut folders: HashMap<&Path, (f64, usize)> = HashMap::new();
    for path in paths.clone() {
        let folder = folders.entry(path.parent().unwrap_or(Path::new(""))).or_default();
        folder.0 += signals.movement.get(path).copied().unwrap_or(0.0);
        folder.1 += 1;
    }
    paths
        .map(|path| {
            let kind = Kind::of(path);
            let depth = path.components().count().saturating_sub(1);
            let base = (0..depth).fold(base(kind), |base, _| base * DEEPER);
            let movement = signals.movement.get(path).copied().unwrap_or(0.0) * mobility(kind);
            let beside = folders.get(path.parent().unwrap_or(Path::new(""))).copied().unwrap_or_default();
            let neighbors = NEIGHBORS * mobility(kind) * beside.0 / to_f64(beside.1.max(1));
            let changed = if signals.changed.contains(path) { CHANGED } else { 0.0 };
            Value { kind, base, movement, neighbors, changed }
        })
        .collect()
}

/// Counts here are far below the point where a float loses integers.
fn to_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}
