//! What a file is worth: the one table of weights, and the sum that makes a value of them.
//!
//! A value is a plain number; it depends on the path, the tree and the history, never on a clock.

use std::path::Path;

use crate::kind::Kind;

/// What a kind is worth by itself.
pub(crate) fn base(kind: Kind) -> f64 {
    match kind {
        Kind::Instruction => 100.0,
        Kind::Readme => 80.0,
        Kind::Guide => 40.0,
        Kind::Manifest => 60.0,
        Kind::Entry => 30.0,
        Kind::Source => 10.0,
        Kind::Test => 5.0,
        Kind::Settings | Kind::Document => 4.0,
        Kind::Fixture | Kind::Other => 1.0,
        Kind::Chronicle => 0.5,
    }
}

/// The value of the file at `path` under its root: the root before the depths.
pub(crate) fn of(path: &Path) -> f64 {
    let depth = path.components().count().saturating_sub(1);
    let mut value = base(Kind::of(path));
    for _ in 0..depth {
        value *= 0.7;
    }
    value
}
