//! What is added besides files: the last commit messages and the uncommitted changes.
//!
//! Only files that may be packed appear in a patch: no secret, no other agent's folder. Of a file
//! that is gone it says that, and not what was in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::git::Failure;
use crate::look::Known;
use crate::patch;
use crate::piece::{Maker, Piece};
use crate::redact::{self, Tally};
use crate::render::{Place, name_of};
use crate::request::Request;
use crate::text;
use crate::walk::{self, Found, Root, Rules};

/// The share of the budget that a patch may have, as a divisor.
const PATCH_SHARE: usize = 5;

/// The share of the budget that the messages may have, as a divisor.
const LOG_SHARE: usize = 12;

/// How many lines of a patch stand around what changed, and more than any file has.
const CONTEXT: usize = 3;
const ALL: usize = 1_000_000_000;

/// What the pieces are made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// What is asked for.
    pub(crate) request: &'a Request,
    /// What is packed.
    pub(crate) roots: &'a [Root],
    /// What may be packed.
    pub(crate) rules: &'a Rules,
    /// What git says about each root.
    pub(crate) known: &'a [Known],
}

impl Sources<'_> {
    /// The pieces that were asked for.
    pub(crate) fn pieces(
        self,
        found: &mut Found,
        maker: Maker,
        limit: usize,
        tally: &mut Tally,
    ) -> Vec<(Place, Piece)> {
        let mut pieces = Vec::new();
        if self.request.log > 0 {
            let text = redact::redact(&self.log(found), tally).into_owned();
            let cut = |text: &str| maker.piece(maker.renderer.log(text));
            pieces.extend(within(&text, limit / LOG_SHARE, cut).map(|piece| (Place::Log, piece)));
        }
        if self.request.diff {
            let patch = self.patch(found, tally);
            let text = redact::redact(&patch, tally).into_owned();
            let cut = |text: &str| maker.piece(maker.renderer.patch(text));
            let piece = within(&text, limit / PATCH_SHARE, cut);
            pieces.extend(piece.map(|piece| (Place::Patch, piece)));
        }
        pieces
    }

    /// One line a commit, the newest first; without dates, which would change the first bytes for
    /// nothing.
    ///
    /// A commit that touched two packed folders is one commit; of several repositories each line
    /// says of which it is.
    fn log(self, found: &Found) -> String {
        let mut text = String::new();
        let tops = self.known.iter().filter_map(|known| Some(&known.git.as_ref()?.top));
        let is_one = tops.collect::<BTreeSet<_>>().len() < 2;
        let mut told = BTreeSet::new();
        for (index, (root, known)) in self.roots.iter().zip(self.known).enumerate() {
            let packable = packable(found, index);
            // What another agent committed in its own folder is nobody else's.
            let visible = known.log.commits.iter().filter(|commit| {
                self.request.agent.is_none()
                    || commit.files.iter().any(|file| packable.contains(file.as_path()))
            });
            for commit in visible.take(self.request.log) {
                if !told.insert(&commit.hash) {
                    continue;
                }
                let hash = commit.hash.get(..12).unwrap_or(&commit.hash);
                let of = if is_one || root.label.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", name_of(Path::new(&root.label)))
                };
                let _ = writeln!(text, "{hash} {of}{}", common::out::sanitize(&commit.subject));
            }
        }
        text
    }

    /// What is not committed, file by file; why there is less of it is a problem.
    fn patch(self, found: &mut Found, tally: &mut Tally) -> String {
        let mut text = String::new();
        for (index, (root, known)) in self.roots.iter().zip(self.known).enumerate() {
            // Before the first commit everything is new, and stands in the document as it is.
            let (Some(git), Some(head)) = (&known.git, &known.head) else { continue };
            let changed =
                if known.since.is_some() { &known.changed_since } else { &known.changes.changed };
            let packable = packable(found, index);
            let files = changed.iter().filter(|file| {
                packable.contains(file.as_path()) || walk::is_gone(root, file, self.rules)
            });
            let files: Vec<PathBuf> = files.cloned().collect();
            if files.is_empty() {
                continue;
            }
            let commit = known.since.as_ref().unwrap_or(head);
            let label = &root.label;
            let patch = |n_lines| -> Result<String, Failure> {
                Ok(text::clean(&git.patch(commit, &files, label, n_lines)?))
            };
            let patches = patch(CONTEXT).and_then(|shown| Ok((shown, patch(ALL)?)));
            match patches {
                Ok((patch, whole)) => text.push_str(&patch::without_keys(&patch, &whole, tally)),
                Err(failure) => {
                    let reason = failure.reason();
                    found.problems.push(format!("packing without the changes: {reason}"));
                }
            }
        }
        text
    }
}

/// The files of a root that may be packed.
fn packable(found: &Found, root: usize) -> BTreeSet<&Path> {
    let entries = found.entries.iter().filter(|entry| entry.root == root);
    entries.map(|entry| entry.path.as_path()).collect()
}

/// As many lines as fit the limit, and how many are missing.
fn within(text: &str, limit: usize, make: impl Fn(&str) -> Piece) -> Option<Piece> {
    if text.is_empty() {
        return None;
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (mut least, mut most) = (0, lines.len().min(limit.saturating_add(1)));
    let mut best = None;
    while least < most {
        let middle = least + (most - least).div_ceil(2);
        let mut kept: String = lines.iter().take(middle).copied().collect();
        if middle < lines.len() {
            let _ = writeln!(kept, "… {} lines omitted …", lines.len() - middle);
        }
        let piece = make(&kept);
        if piece.n_tokens <= limit {
            best = Some(piece);
            least = middle;
        } else {
            most = middle - 1;
        }
    }
    best
}
