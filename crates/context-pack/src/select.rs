//! Decides which files appear at which depth: the best value for the tokens, in one pass.
//!
//! What must be read first comes first, within a share. Then outlines for breadth, best value
//! first, within theirs. Then whole files for the few that will be edited, by value for the price.
//! What a share leaves flows on. A file that does not fit is passed over, and the next is tried.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use crate::excerpt::{self, Chunk};
use crate::kind::Kind;
use crate::piece::{Maker, Piece};
use crate::prepare::{self, Prepared};
use crate::render::{Depth, Place};
use crate::text::Refusal;
use crate::value::{Excerpts, Value};

/// A file that the walk found, with its value.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// Its name in the document.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What it is worth.
    pub(crate) value: Value,
    /// Its lines that moved lately.
    pub(crate) hot: Option<HashMap<u64, usize>>,
    /// How many folders are between it and its root.
    pub(crate) depth: usize,
}

/// A file in the document.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Its index among the candidates.
    pub(crate) candidate: usize,
    /// How much of it.
    pub(crate) depth: Depth,
    /// Where.
    pub(crate) place: Place,
    /// Its piece.
    pub(crate) piece: Piece,
}

/// What was selected.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The files, in the order in which they were taken.
    pub(crate) taken: Vec<Taken>,
    /// The candidates that cannot be packed.
    pub(crate) refused: Vec<(usize, Refusal)>,
}

/// Shares of the budget.
struct Shares {
    /// For what must be read first.
    core: usize,
    /// For one file of it.
    core_file: usize,
    /// For outlines.
    outlines: usize,
    /// For one whole file.
    file: usize,
}

impl Shares {
    fn of(limit: usize) -> Self {
        Self { core: limit / 6, core_file: limit / 14, outlines: limit / 2, file: limit / 6 }
    }
}

/// Files read at a time.
const BATCH: usize = 96;

/// Bytes of an outline: the least, and what the best files get.
const OUTLINE_BYTES: usize = 150;

/// Bytes that saying what is missing around a chunk costs.
const MARKER_BYTES: usize = 40;

/// Whole files tried in vain before giving up.
const MISFITS: usize = 200;

/// Selects from `candidates`, best first, what fits `limit` tokens.
pub(crate) fn select(candidates: &[Candidate], limit: usize, maker: &Maker) -> Selection {
    let mut run = Run {
        candidates,
        maker,
        shares: Shares::of(limit),
        left: limit,
        prepared: Vec::new(),
        state: Vec::new(),
        selection: Selection::default(),
    };
    run.prepared.resize_with(candidates.len(), || None);
    run.state.resize_with(candidates.len(), || None);
    run.core();
    let outlines = run.shares.outlines.min(run.left);
    run.outlines(outlines);
    run.excerpts();
    run.outlines(run.left);
    run.selection
}

struct Run<'a> {
    candidates: &'a [Candidate],
    maker: &'a Maker,
    shares: Shares,
    left: usize,
    prepared: Vec<Option<Prepared>>,
    /// Where in the selection a candidate is.
    state: Vec<Option<usize>>,
    selection: Selection,
}

impl Run<'_> {
    /// Reads the candidates among these that were not read before.
    fn prepare(&mut self, indices: &[usize]) {
        let refused: Vec<usize> = self.selection.refused.iter().map(|(index, _)| *index).collect();
        let new: Vec<usize> = indices
            .iter()
            .copied()
            .filter(|index| self.prepared[*index].is_none() && !refused.contains(index))
            .collect();
        let paths: Vec<PathBuf> = new.iter().map(|index| self.candidates[*index].path.clone()).collect();
        for (index, result) in new.into_iter().zip(prepare::read_all(&paths)) {
            match result {
                Ok(prepared) => self.prepared[index] = Some(prepared),
                Err(refusal) => self.selection.refused.push((index, refusal)),
            }
        }
    }

    fn take(&mut self, candidate: usize, depth: Depth, place: Place, piece: Piece) {
        self.left = self.left.saturating_sub(piece.n_tokens);
        self.state[candidate] = Some(self.selection.taken.len());
        self.selection.taken.push(Taken { candidate, depth, place, piece });
    }

    /// What must be read first, the nearest to the root first, cut where it is long.
    fn core(&mut self) {
        let mut core: Vec<usize> = (0..self.candidates.len())
            .filter(|index| {
                let candidate = &self.candidates[*index];
                match candidate.value.kind {
                    Kind::Instruction => candidate.depth <= 3,
                    Kind::Readme | Kind::Guide | Kind::Manifest => candidate.depth == 0,
                    _ => false,
                }
            })
            .collect();
        core.sort_by_key(|index| {
            let candidate = &self.candidates[*index];
            (candidate.depth > 0, candidate.value.kind, candidate.depth, &candidate.name)
        });
        core.truncate(24);
        self.prepare(&core);
        let mut share = self.shares.core.min(self.left);
        for index in core {
            let Some(file) = &self.prepared[index] else { continue };
            let name = &self.candidates[index].name;
            let limit = self.shares.core_file.min(share);
            let piece = match self.maker.full(name, file, limit) {
                Some(piece) => Some((Depth::Full, piece)),
                None => self.maker.head(name, file, limit).map(|piece| (Depth::Head, piece)),
            };
            if let Some((depth, piece)) = piece {
                share = share.saturating_sub(piece.n_tokens);
                self.take(index, depth, Place::Core, piece);
            }
        }
    }

    /// Outlines for at most `share` tokens, best value first.
    fn outlines(&mut self, mut share: usize) {
        let mut n_misfits = 0;
        let open: Vec<usize> = (0..self.candidates.len()).filter(|index| self.state[*index].is_none()).collect();
        for batch in open.chunks(BATCH) {
            if share < 24 || n_misfits > MISFITS {
                return;
            }
            self.prepare(batch);
            for index in batch.iter().copied() {
                let Some(file) = &self.prepared[index] else { continue };
                let piece = self.maker.outline(&self.candidates[index].name, file, OUTLINE_BYTES);
                if piece.n_tokens <= share {
                    share -= piece.n_tokens;
                    self.take(index, Depth::Outline, Place::Outlines, piece);
                } else {
                    n_misfits += 1;
                }
            }
        }
    }

    /// Excerpts and whole files: the chunks of all files, by value for the price.
    fn excerpts(&mut self) {
        let weights = Excerpts::default();
        let mut chunks: Vec<(f64, usize, Chunk)> = Vec::new();
        let mut n_lines = vec![0; self.candidates.len()];
        for (index, file) in self.prepared.iter().enumerate() {
            let is_full = self.state[index].is_some_and(|at| self.selection.taken[at].depth == Depth::Full);
            let Some(file) = file.as_ref().filter(|_| !is_full) else { continue };
            let candidate = &self.candidates[index];
            n_lines[index] = file.text.body.lines().count();
            for chunk in excerpt::chunks(&file.text.body, candidate.hot.as_ref(), &weights) {
                let price = u32::try_from(chunk.n_bytes + MARKER_BYTES).map_or(f64::from(u32::MAX), f64::from);
                chunks.push((candidate.value.total() * chunk.rate / price, index, chunk));
            }
        }
        chunks.sort_by(|left, right| {
            right.0.total_cmp(&left.0).then_with(|| (left.1, left.2.lines.start).cmp(&(right.1, right.2.lines.start)))
        });
        // Bytes steer; the pieces that come out are counted, and the scale is set right by that.
        let goal = self.left;
        let mut n_bytes = goal * 7 / 2;
        for _ in 0..5 {
            let pieces = self.excerpts_within(&chunks, &n_lines, n_bytes);
            let price: usize = pieces.iter().map(|(_, _, piece)| piece.n_tokens).sum();
            let refund: usize = pieces
                .iter()
                .filter_map(|(index, _, _)| Some(self.selection.taken[self.state[*index]?].piece.n_tokens))
                .sum();
            let spent = price.saturating_sub(refund);
            if spent <= goal {
                for (index, depth, piece) in pieces {
                    self.replace(index, depth, piece);
                }
                return;
            }
            n_bytes = n_bytes / spent.max(1) * goal * 97 / 100;
        }
    }

    /// The pieces that the best chunks make which have at most `n_bytes`.
    fn excerpts_within(
        &self,
        chunks: &[(f64, usize, Chunk)],
        n_lines: &[usize],
        n_bytes: usize,
    ) -> Vec<(usize, Depth, Piece)> {
        let mut shown: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        let mut left = n_bytes;
        let file_limit = self.shares.file * 4;
        let mut per_file: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, index, chunk) in chunks {
            let price = chunk.n_bytes + MARKER_BYTES / 2;
            let file = per_file.entry(*index).or_default();
            if price > left || *file + price > file_limit {
                if left < 40 {
                    break;
                }
                continue;
            }
            left -= price;
            *file += price;
            let shown = shown.entry(*index).or_insert_with(|| vec![false; n_lines[*index]]);
            for line in shown.iter_mut().take(chunk.lines.end).skip(chunk.lines.start) {
                *line = true;
            }
        }
        let mut pieces = Vec::new();
        for (index, mut shown) in shown {
            let Some(file) = &self.prepared[index] else { continue };
            let name = &self.candidates[index].name;
            let n_missing = shown.iter().filter(|line| !**line).count();
            // Naming the gaps of a nearly whole file costs more than filling them.
            if n_missing * 10 <= shown.len() && file.text.n_unread == 0 {
                if let Some(piece) = self.maker.full(name, file, self.shares.file) {
                    pieces.push((index, Depth::Full, piece));
                    continue;
                }
            }
            fill_gaps(&mut shown);
            pieces.push((index, Depth::Head, self.maker.excerpt(name, file, &shown, OUTLINE_BYTES)));
        }
        pieces
    }

    /// More of a file instead of its outline.
    fn replace(&mut self, index: usize, depth: Depth, piece: Piece) {
        let Some(at) = self.state[index] else {
            self.take(index, depth, Place::Moving, piece);
            return;
        };
        let taken = &mut self.selection.taken[at];
        self.left = (self.left + taken.piece.n_tokens).saturating_sub(piece.n_tokens);
        let place = if taken.place == Place::Core { Place::Core } else { Place::Moving };
        *taken = Taken { candidate: index, depth, place, piece };
    }
}

/// Shows gaps of up to two lines, which cost no more than the words for them.
fn fill_gaps(shown: &mut [bool]) {
    let mut gap = 0;
    for index in 0..shown.len() {
        if !shown[index] {
            gap += 1;
            continue;
        }
        if gap <= 2 {
            for line in &mut shown[index - gap..index] {
                *line = true;
            }
        }
        gap = 0;
    }
}
