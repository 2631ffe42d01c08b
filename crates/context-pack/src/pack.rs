//! A pack from end to end: walk, ask git, rank, select, render, count.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use crate::git::{Changes, Git, History, Hot};
use crate::piece::{Maker, Piece};
use crate::render::{Depth, Heading, Place, Renderer, State, name_of};
use crate::request::Request;
use crate::select::{self, Candidate, Taken};
use crate::text::Refusal;
use crate::value::{self, Signals};
use crate::walk::{self, Found, Reason, Root};
use crate::{Error, fit, identity, tree};

/// A document and what there is to say about it.
#[derive(Debug, Default)]
pub(crate) struct Pack {
    /// The document; empty when nothing fits.
    pub(crate) document: String,
    /// Its tokens, counted on the whole.
    pub(crate) n_tokens: usize,
    /// The budget that was asked for.
    pub(crate) asked: usize,
    /// The tokens that it may have.
    pub(crate) limit: usize,
    /// How many files were seen.
    pub(crate) n_scanned: usize,
    /// The packed files, best first.
    pub(crate) files: Vec<(String, Depth)>,
    /// The best of them, as the summary names them.
    pub(crate) priority: Vec<String>,
    /// What was left out, by reason.
    pub(crate) left_out: BTreeMap<Reason, usize>,
    /// What could not be read, for people.
    pub(crate) problems: Vec<String>,
}

/// How many commits are read.
const N_COMMITS: usize = 600;

/// Of how many commits the lines are looked at.
const N_PATCHES: usize = 50;

/// What git says about one root.
#[derive(Debug, Default)]
struct Known {
    history: History,
    changes: Changes,
    hot: Hot,
    branch: Option<String>,
}

/// Packs what is asked for; `search_path` says where git is.
pub(crate) fn pack(request: &Request, search_path: &OsString) -> Result<Pack, Error> {
    let mut roots = request.paths.iter().map(|path| Root::open(path)).collect::<Result<Vec<_>, _>>()?;
    identity::label(&mut roots, &request.paths);
    let (mut found, known) = look(&roots, search_path);
    let candidates = rank(&found, &roots, &known);

    let limit = request.budget.limit();
    let renderer = Renderer::new(request.format);
    let maker = Maker { renderer, tokenizer: request.budget.tokenizer, line_numbers: false };
    let first = known.first();
    let heading = Heading { name: identity::name(&roots), branch: first.and_then(|known| known.branch.clone()) };
    let mut frame = vec![(Place::Heading, maker.piece(renderer.heading(&heading)))];
    let names: Vec<String> = found.entries.iter().map(|entry| entry_name(&entry.path, &roots[entry.root])).collect();
    let tree = maker.piece(renderer.tree(&tree::render(&names, (limit / 14).min(3000) / 8)));
    if tree.n_tokens <= limit / 6 {
        frame.push((Place::Tree, tree));
    }
    if let Some(commit) = first.and_then(|known| known.history.commits.first()) {
        frame.push((Place::State, maker.piece(renderer.state(&State { commit: commit.hash.clone() }))));
    }
    // The frame of JSON and XML has a few tokens of its own.
    let spent: usize = frame.iter().map(|(_, piece)| piece.n_tokens).sum::<usize>() + 12;
    let selection = select::select(&candidates, limit.saturating_sub(spent), &maker);
    for (index, refusal) in &selection.refused {
        refuse(&mut found, &candidates[*index], refusal);
    }
    Ok(assemble(request, &maker, &frame, &selection.taken, &candidates, found))
}

/// Walks the trees and asks git at the same time.
fn look(roots: &[Root], search_path: &OsString) -> (Found, Vec<Known>) {
    std::thread::scope(|scope| {
        let asked: Vec<_> = roots
            .iter()
            .map(|root| {
                let git = Git::of(&root.folder, search_path.clone());
                git.map(|git| {
                    let again = git.clone();
                    let patches = git.clone();
                    (
                        scope.spawn(move || (History::read(&again, N_COMMITS), again.branch())),
                        scope.spawn(move || Hot::read(&patches, N_PATCHES)),
                        scope.spawn(move || Changes::read(&git.without_filters())),
                    )
                })
            })
            .collect();
        let found = walk::walk(roots);
        let known = asked
            .into_iter()
            .map(|asked| {
                let Some((history, hot, changes)) = asked else { return Known::default() };
                let (history, branch) = history.join().unwrap_or_default();
                Known { history, branch, hot: hot.join().unwrap_or_default(), changes: changes.join().unwrap_or_default() }
            })
            .collect();
        (found, known)
    })
}

/// The files with their values, best first.
fn rank(found: &Found, roots: &[Root], known: &[Known]) -> Vec<Candidate> {
    let mut candidates = Vec::with_capacity(found.entries.len());
    for (index, (root, known)) in roots.iter().zip(known).enumerate() {
        let movement = known.history.movement(value::weight).into_iter().map(|(path, weight)| (path.clone(), weight));
        let signals = Signals { movement: movement.collect(), changed: known.changes.changed.clone() };
        let paths = found.entries.iter().filter(|entry| entry.root == index).map(|entry| entry.path.as_path());
        let values = value::of_all(paths.clone(), &signals);
        candidates.extend(paths.zip(values).map(|(path, value)| Candidate {
            name: entry_name(path, root),
            path: root.folder.join(path),
            depth: path.components().count().saturating_sub(1),
            hot: known.hot.files.get(path).cloned(),
            value,
        }));
    }
    candidates.sort_by(|left, right| {
        right.value.total().total_cmp(&left.value.total()).then_with(|| left.name.cmp(&right.name))
    });
    candidates
}

fn refuse(found: &mut Found, candidate: &Candidate, refusal: &Refusal) {
    let mut count = |reason| *found.left_out.entry(reason).or_default() += 1;
    match refusal {
        Refusal::Binary => count(Reason::Binary),
        Refusal::Generated => count(Reason::Generated),
        Refusal::Unreadable(error) => found.problems.push(format!("cannot read {}: {error}", candidate.name)),
    }
}

/// Puts the pieces in the order of the document and makes them fit.
fn assemble(
    request: &Request,
    maker: &Maker,
    frame: &[(Place, Piece)],
    taken: &[Taken],
    candidates: &[Candidate],
    found: Found,
) -> Pack {
    let mut pieces: Vec<(Place, usize, &str, &Piece, Option<usize>)> =
        frame.iter().map(|(place, piece)| (*place, 0, "", piece, None)).collect();
    for (order, taken) in taken.iter().enumerate() {
        let name = candidates[taken.candidate].name.as_str();
        // Outlines stand by name, so that the same files give the same bytes whatever moved.
        let rank = if taken.place == Place::Outlines { 0 } else { taken.candidate };
        let rank = if taken.place == Place::Core { order } else { rank };
        pieces.push((taken.place, rank, name, &taken.piece, Some(order)));
    }
    pieces.sort_by(|left, right| (left.0, left.1, left.2).cmp(&(right.0, right.1, right.2)));
    let mut drop_order: Vec<(std::cmp::Reverse<Option<usize>>, usize)> = pieces
        .iter()
        .enumerate()
        .filter(|(_, piece)| piece.0 != Place::Heading)
        .map(|(index, piece)| (std::cmp::Reverse(piece.4), index))
        .collect();
    drop_order.sort_unstable();
    let limit = request.budget.limit();
    let placed: Vec<(Place, &Piece)> = pieces.iter().map(|piece| (piece.0, piece.3)).collect();
    let order = drop_order.into_iter().map(|(_, index)| index);
    let fitted = fit::join(&placed, order, limit, maker.renderer, maker.tokenizer);
    let kept: BTreeSet<usize> =
        pieces.iter().zip(&fitted.kept).filter(|(_, kept)| **kept).filter_map(|(piece, _)| piece.4).collect();
    let files: Vec<(String, Depth)> =
        kept.iter().map(|order| (candidates[taken[*order].candidate].name.clone(), taken[*order].depth)).collect();
    Pack {
        document: fitted.text,
        n_tokens: fitted.n_tokens,
        asked: request.budget.asked.0,
        limit,
        n_scanned: found.n_scanned,
        priority: files.iter().take(4).map(|(name, _)| name.clone()).collect(),
        files,
        left_out: found.left_out,
        problems: found.problems,
    }
}

/// The name of a file in the document.
fn entry_name(path: &Path, root: &Root) -> String {
    if root.label.is_empty() { name_of(path) } else { name_of(&Path::new(&root.label).join(path)) }
}
