//! What a file is worth: the one table of weights, and the sum that makes a value of them.
//!
//! The unit is one change in the newest commit. A value depends on the path, the tree, the history
//! and what was asked for, never on a clock, and is made of sums and quotients only, which every
//! machine computes alike.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use foldhash::HashMap;

use crate::kind::Kind;
use crate::parts;
use crate::threads::map_all;

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

/// After this many commits a change counts half, or a little less.
const HALF_AT: f64 = 40.0;

/// A commit of this many files counts half for each of them.
const WIDE: f64 = 12.0;

/// What a file gets of the average movement of the files beside it.
const NEIGHBORS: f64 = 0.25;

/// What a file gets of the movement of its test, and a test of what it tests.
const COUNTERPART: f64 = 0.25;

/// What a file gets of the movement of each file that imports it: little, for hubs are imported by all.
pub(crate) const NAMED: f64 = 0.05;

/// What a file gets for its path being named in a document at the root: as much as half an entry point.
pub(crate) const NAMED_IN_DOCUMENT: f64 = 0.12;

/// What a file that differs from HEAD is worth on top.
const CHANGED: f64 = 20.0;

/// What a file that changed since the asked revision is worth on top.
const SINCE: f64 = 20.0;

/// What a file is worth on top that has all asked words in its path, and in its content.
const FOCUS: (f64, f64) = (20.0, 10.0);

/// What a kind keeps of its movement: long chronicles move often, say everything, and nobody reads
/// them.
fn mobility(kind: Kind) -> f64 {
    match kind {
        Kind::Chronicle => 0.05,
        Kind::Fixture => 0.4,
        _ => 1.0,
    }
}

/// What a kind keeps of the words that it has: what they name comes before its tests.
fn answers(kind: Kind) -> f64 {
    match kind {
        Kind::Test => 0.7,
        other => mobility(other),
    }
}

/// How much of a commit each of its files gets.
pub(crate) fn weight(age: usize, n_files: usize) -> f64 {
    let age = to_f64(age) / HALF_AT;
    let width = to_f64(n_files) / WIDE;
    1.0 / (1.0 + age) / (1.0 + age * 0.3) / (1.0 + width)
}

/// What the shares of the asked words are worth.
pub(crate) fn focus(in_name: f64, in_content: f64) -> f64 {
    // All words in one place say more than each of them somewhere.
    FOCUS.0 * in_name * in_name + FOCUS.1 * in_content * in_content
}

/// How the lines of a file are rated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Excerpts {
    /// The rate of a line that did not move.
    pub(crate) cold: f64,
    /// The rate of a line at the head of a file, and how many lines are that.
    pub(crate) head: f64,
    pub(crate) head_lines: usize,
    /// How many lines on either side of a hot one are as hot.
    pub(crate) reach: usize,
    /// After this many commits a hot line counts half.
    pub(crate) half_at: f64,
    /// What a fresh line adds to the rate of each line that is at most so many lines from it: where
    /// much was written lately, more will be.
    pub(crate) crowd: f64,
    pub(crate) crowd_reach: usize,
}

/// The rates of lines.
pub(crate) const EXCERPTS: Excerpts = Excerpts {
    cold: 0.18,
    head: 0.4,
    head_lines: 30,
    reach: 4,
    half_at: 8.0,
    crowd: 0.3,
    crowd_reach: 10,
};

/// What the rate of a line is multiplied by that has a version, which is raised again and again, and
/// of one that documents code, which often stays when the code changes.
pub(crate) const VERSION: f64 = 3.0;
pub(crate) const DOCUMENTATION: f64 = 0.6;

/// A file of this many lines is worth half of what a short one is to each of its lines: when a long
/// file is edited, each of its lines is less likely to be meant.
const LONG: f64 = 600.0;

/// What a kind's value is worth to its lines: tests grow more than they are edited, and a short
/// manifest is edited anywhere.
fn edited(kind: Kind) -> f64 {
    match kind {
        Kind::Manifest => 1.5,
        Kind::Fixture => 0.5,
        Kind::Test => 0.2,
        _ => 1.0,
    }
}

impl Excerpts {
    /// The rate of a line that was written `age` commits ago.
    pub(crate) fn rate(&self, age: usize) -> f64 {
        self.cold + self.freshness(age)
    }

    /// How fresh a line is that was written `age` commits ago, from 1 down.
    pub(crate) fn freshness(&self, age: usize) -> f64 {
        1.0 / (1.0 + to_f64(age) / self.half_at)
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
    /// How much the files beside it, its test, what it tests or what imports it moved, and that a
    /// document names it.
    pub(crate) related: f64,
    /// That it differs from what is committed, or changed since the asked revision.
    pub(crate) changed: f64,
    /// That it has the words that were asked for.
    pub(crate) focus: f64,
}

impl Value {
    /// The sum.
    pub(crate) fn total(&self) -> f64 {
        self.base + self.movement + self.related + self.changed + self.focus
    }

    /// Whether somebody asked for the file, or is at work on it.
    pub(crate) fn is_wanted(&self) -> bool {
        self.changed + self.focus > 0.0
    }

    /// What the file is worth to each of its `n_lines` lines, whichever of them moved.
    pub(crate) fn of_a_line(&self, n_lines: usize) -> f64 {
        if self.is_wanted() {
            return self.total();
        }
        self.total() * edited(self.kind) / (1.0 + to_f64(n_lines) / LONG)
    }
}

/// What is known about the files besides their names.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// How much each file moved.
    pub(crate) movement: HashMap<OsString, f64>,
    /// Files that differ from what is committed.
    pub(crate) changed: BTreeSet<PathBuf>,
    /// Files that changed since the asked revision.
    pub(crate) since: BTreeSet<PathBuf>,
    /// What files have of the asked words, in units of value.
    pub(crate) focus: HashMap<PathBuf, f64>,
}

impl Signals {
    fn movement(&self, path: &Path) -> f64 {
        // A path hashes by its parts, which takes longer than by its bytes.
        self.movement.get(path.as_os_str()).copied().unwrap_or(0.0)
    }
}

/// The values of the files at `paths`, all of one root.
pub(crate) fn of_all(paths: &[&Path], signals: &Signals) -> Vec<Value> {
    let known = map_all(paths, |_, path| (Kind::of(path), signals.movement(path)));
    let mut folders: HashMap<&[u8], (f64, usize)> = HashMap::default();
    let mut subjects: HashMap<String, (f64, f64)> = HashMap::default();
    for (path, (kind, movement)) in paths.iter().zip(&known) {
        let folder = folders.entry(parts::folder(path)).or_default();
        folder.0 += movement;
        folder.1 += 1;
        if *movement > 0.0 {
            let subject = subjects.entry(subject(path)).or_default();
            let side = if *kind == Kind::Test { &mut subject.1 } else { &mut subject.0 };
            *side = side.max(*movement);
        }
    }
    map_all(paths, |index, path| {
        let (kind, moved) = known[index];
        let base = (0..parts::depth(path)).fold(base(kind), |base, _| base * DEEPER);
        let movement = moved * mobility(kind);
        let beside = folders.get(parts::folder(path)).copied().unwrap_or_default();
        let is_paired = matches!(kind, Kind::Test | Kind::Source | Kind::Entry);
        let pair = if is_paired { subjects.get(&subject(path)) } else { None };
        let counterpart =
            pair.map_or(0.0, |(source, test)| if kind == Kind::Test { *source } else { *test });
        let related = mobility(kind)
            * (NEIGHBORS * beside.0 / to_f64(beside.1.max(1)) + COUNTERPART * counterpart);
        let changed = if signals.changed.contains(path) { CHANGED } else { 0.0 }
            + if signals.since.contains(path) { SINCE } else { 0.0 };
        // A chronicle has all words of the language, and would come first for any of them.
        let focus = signals.focus.get(path).copied().unwrap_or(0.0) * answers(kind);
        Value { kind, base, movement, related, changed, focus }
    })
}

/// What a file or its test is about: its name without the words that mark a test.
fn subject(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let stem = stem.trim_start_matches("test_");
    let marks = ["_test", "_tests", ".test", ".spec", "_spec", "-test", "test", "tests"];
    let bare =
        marks.iter().find_map(|mark| stem.strip_suffix(mark)).filter(|bare| !bare.is_empty());
    bare.unwrap_or(stem).to_owned()
}

/// Counts here are far below the point where a float loses integers.
pub(crate) fn to_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_is_worth_more_than_what_did_not_and_a_wide_commit_less() {
        assert!(weight(0, 1) > weight(50, 1));
        assert!(weight(0, 1) > 10.0 * weight(0, 300));
        let paths = [
            Path::new("src/a.rs"),
            Path::new("src/b.rs"),
            Path::new("tests/a.rs"),
            Path::new("tests/b.rs"),
        ];
        let movement = HashMap::from_iter([("src/a.rs".into(), 1.0)]);
        let values = of_all(&paths, &Signals { movement, ..Signals::default() });
        assert!(values[0].total() > values[1].total());
        assert!(
            values[2].total() > values[3].total(),
            "the test of what moves comes before another test"
        );
    }

    #[test]
    fn a_line_of_a_long_file_or_of_a_test_is_worth_less_unless_the_file_was_asked_for() {
        let paths = [Path::new("src/a.rs"), Path::new("tests/a.rs")];
        let movement = paths.map(|path| (path.into(), 1.0));
        let values = of_all(
            &paths,
            &Signals { movement: HashMap::from_iter(movement), ..Signals::default() },
        );
        assert!(values[0].of_a_line(100) > values[0].of_a_line(1000));
        assert!(values[0].of_a_line(100) > 2.0 * values[1].of_a_line(100));
        let changed = Value { changed: CHANGED, ..values[1] };
        assert!(changed.of_a_line(100) > 10.0 * values[0].of_a_line(100));
    }

    #[test]
    fn a_changelog_that_has_the_words_comes_after_the_source_that_has_some() {
        let paths = [Path::new("CHANGELOG.md"), Path::new("src/limit.rs")];
        let focus = HashMap::from_iter([
            (PathBuf::from(paths[0]), focus(0.0, 1.0)),
            (PathBuf::from(paths[1]), focus(0.5, 0.5)),
        ]);
        let values = of_all(&paths, &Signals { focus, ..Signals::default() });
        assert!(values[1].total() > values[0].total());
    }

    #[test]
    fn the_root_comes_before_the_depths_and_uncommitted_changes_before_all() {
        let paths =
            [Path::new("Cargo.toml"), Path::new("a/b/c/Cargo.toml"), Path::new("deep/down/x.rs")];
        let changed = BTreeSet::from([PathBuf::from("deep/down/x.rs")]);
        let values = of_all(&paths, &Signals { changed, ..Signals::default() });
        assert!(values[0].total() > values[1].total());
        assert!(values[2].total() > values[0].total());
    }
}
