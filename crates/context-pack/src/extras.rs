//! What is added besides files: the last commit messages and the uncommitted changes.
//!
//! Only files that may be packed appear in a patch: no secret, no other agent's folder.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::look::Known;
use crate::patch;
use crate::piece::{Maker, Piece};
use crate::redact::{self, Tally};
use crate::render::{Place, name_of};
use crate::request::Request;
use crate::text;
use crate::walk::Found;

/// The share of the budget that a patch may have, as a divisor.
const PATCH_SHARE: usize = 5;

/// The share of the budget that the messages may have, as a divisor.
const LOG_SHARE: usize = 12;

/// The pieces that were asked for.
pub(crate) fn pieces(
    request: &Request,
    found: &Found,
    known: &[Known],
    maker: Maker,
    limit: usize,
    tally: &mut Tally,
) -> Vec<(Place, Piece)> {
    let mut pieces = Vec::new();
    if request.log > 0 {
        let log = log(request, found, known);
        let text = redact::redact(&log, tally).into_owned();
        let cut = |text: &str| maker.piece(maker.renderer.log(text));
        pieces.extend(within(&text, limit / LOG_SHARE, cut).map(|piece| (Place::Log, piece)));
    }
    if request.diff {
        let patch = patch(found, known, tally);
        let text = redact::redact(&patch, tally).into_owned();
        let cut = |text: &str| maker.piece(maker.renderer.patch(text));
        pieces.extend(within(&text, limit / PATCH_SHARE, cut).map(|piece| (Place::Patch, piece)));
    }
    pieces
}

/// One line a commit, the newest first; without dates, which would change the first bytes for nothing.
fn log(request: &Request, found: &Found, known: &[Known]) -> String {
    let packable: BTreeSet<&Path> =
        found.entries.iter().map(|entry| entry.path.as_path()).collect();
    let mut text = String::new();
    for known in known {
        // What another agent committed in its own folder is nobody else's.
        let visible = known.history.commits.iter().filter(|commit| {
            request.agent.is_none()
                || commit.files.iter().any(|file| packable.contains(file.as_path()))
        });
        for commit in visible.take(request.log) {
            let hash = commit.hash.get(..12).unwrap_or(&commit.hash);
            let _ = writeln!(text, "{hash} {}", common::out::sanitize(&commit.subject));
        }
    }
    text
}

fn patch(found: &Found, known: &[Known], tally: &mut Tally) -> String {
    let mut text = String::new();
    for (index, known) in known.iter().enumerate() {
        let Some(git) = &known.git else { continue };
        let changed =
            if known.since.is_some() { &known.changed_since } else { &known.changes.changed };
        let packable: BTreeSet<&Path> = found
            .entries
            .iter()
            .filter(|entry| entry.root == index)
            .map(|entry| entry.path.as_path())
            .collect();
        let files: Vec<PathBuf> =
            changed.iter().filter(|file| packable.contains(file.as_path())).cloned().collect();
        if files.is_empty() {
            continue;
        }
        let commit = known.since.as_deref().unwrap_or("HEAD");
        let patches = git.patch(commit, &files).and_then(|patch| {
            let whole = git.whole_patch(commit, &files)?;
            Ok((text::clean(&patch), text::clean(&whole)))
        });
        match patches {
            Ok((patch, whole)) => text.push_str(&patch::without_keys(&patch, &whole, tally)),
            Err(failure) => {
                let names: Vec<String> = files.iter().map(|file| name_of(file)).collect();
                let _ = writeln!(text, "{}: {}", names.join(", "), failure.reason());
            }
        }
    }
    text
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
