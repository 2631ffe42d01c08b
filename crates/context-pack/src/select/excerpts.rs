//! Excerpts and whole files: the chunks of all files compete, by value for the price.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Candidate, Run, Taken};
use crate::content;
use crate::excerpt::{self, Chunk, TOKEN_BYTES};
use crate::piece::Piece;
use crate::prepare::Prepared;
use crate::render::{Depth, Place};
use crate::threads::on_threads;
use crate::value::{EXCERPTS, to_f64};

/// Bytes that saying what is missing beside a chunk costs; many chunks stand side by side.
const MARKER_BYTES: usize = 20;

/// How many times the share of a file is shown of one that was asked for or is not committed.
const WANTED: usize = 2;

/// Rounds in which the number of bytes is set right by the tokens that came out.
const ROUNDS: usize = 5;

/// A candidate, how much of it is shown, and the piece that this makes.
type Shown = (usize, Depth, Arc<Piece>);

/// What was last made of each candidate, and of which of its lines: most of it stays from round to
/// round, and need not be written and counted anew.
type Made = HashMap<usize, (Vec<bool>, Option<(Depth, Arc<Piece>)>)>;

/// How much of one file is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The bytes of its chunks, when it was not asked for.
    pub(super) n_bytes: usize,
    /// The most tokens that the user wants of any file.
    pub(super) most: usize,
}

impl Limits {
    fn bytes_of(self, candidate: &Candidate) -> usize {
        let times = if candidate.value.is_wanted() { WANTED } else { 1 };
        self.n_bytes.saturating_mul(times).min(self.most.saturating_mul(TOKEN_BYTES))
    }
}

/// A chunk of a candidate and what its tokens are worth.
struct Offer {
    density: f64,
    candidate: usize,
    chunk: Chunk,
}

impl Run<'_> {
    /// Shows more of files than their outlines.
    pub(super) fn excerpts(&mut self, limits: Limits) {
        let (offers, n_lines) = self.offers();
        let goal = self.left;
        // Bytes steer; the pieces that come out are counted, and the number is set right by that.
        let mut n_bytes = goal.saturating_mul(7) / 2;
        let mut best: Option<(usize, Vec<Shown>)> = None;
        let mut made = Made::new();
        for _ in 0..ROUNDS {
            let pieces = self.excerpts_within(&offers, &n_lines, n_bytes, limits, &mut made);
            let price: usize = pieces.iter().map(|(_, _, piece)| piece.n_tokens).sum();
            let outlines = pieces.iter().filter_map(|(index, _, _)| self.state[*index]);
            let refund: usize = outlines.map(|at| self.selection.taken[at].piece.n_tokens).sum();
            let spent = price.saturating_sub(refund);
            if spent <= goal && best.as_ref().is_none_or(|(most, _)| spent > *most) {
                best = Some((spent, pieces));
                if spent.saturating_mul(100) >= goal.saturating_mul(96) {
                    break;
                }
            }
            // In thousandths, and a little less than needed, so that few rounds are enough.
            let scale = (goal.saturating_mul(985) / spent.max(1)).clamp(250, 3000);
            let scaled = (n_bytes / 1000).saturating_mul(scale) + n_bytes % 1000 * scale / 1000;
            if scaled == n_bytes {
                break;
            }
            n_bytes = scaled;
        }
        drop(made);
        for (index, depth, piece) in best.map(|(_, pieces)| pieces).unwrap_or_default() {
            self.replace(index, depth, Arc::unwrap_or_clone(piece));
        }
    }

    /// The chunks of all files that were read and are not shown whole, the best first.
    fn offers(&self) -> (Vec<Offer>, Vec<usize>) {
        let open = self.prepared.iter().enumerate().filter_map(|(index, file)| {
            let taken = self.state[index].map(|at| &self.selection.taken[at]);
            // What must be read first has its own share, and its beginning says more than its edits.
            let is_settled =
                taken.is_some_and(|taken| taken.depth == Depth::Full || taken.place == Place::Core);
            Some((index, file.as_ref().filter(|_| !is_settled)?))
        });
        let open: Vec<(usize, &Prepared)> = open.collect();
        let chunks = on_threads(&open, |(index, file)| {
            let candidate = &self.candidates[*index];
            let hot =
                self.hot.get(candidate.root).and_then(|hot| hot.files.get(&candidate.under_root));
            let is_asked = |line: &str| self.focus.is_some_and(|focus| focus.is_in(line));
            let content = |line: &str| content::weight(line, file.tag, candidate.value.kind);
            excerpt::chunks(&file.text.body, hot, is_asked, content, &EXCERPTS)
        });
        let mut offers = Vec::new();
        let mut n_lines = vec![0; self.candidates.len()];
        for ((index, _), chunks) in open.into_iter().zip(chunks) {
            // Chunks leave no line out.
            n_lines[index] = chunks.last().map_or(0, |chunk| chunk.lines.end);
            let value = self.candidates[index].value.of_a_line(n_lines[index]);
            offers.extend(chunks.into_iter().map(|chunk| {
                let density = value * chunk.rate / (to_f64(chunk.n_bytes + MARKER_BYTES));
                Offer { density, candidate: index, chunk }
            }));
        }
        offers.sort_unstable_by(|left, right| {
            let place = |offer: &Offer| (offer.candidate, offer.chunk.lines.start);
            right.density.total_cmp(&left.density).then_with(|| place(left).cmp(&place(right)))
        });
        (offers, n_lines)
    }

    /// The pieces that the best chunks make which have at most `n_bytes`.
    fn excerpts_within(
        &self,
        offers: &[Offer],
        n_lines: &[usize],
        n_bytes: usize,
        limits: Limits,
        made: &mut Made,
    ) -> Vec<Shown> {
        let mut shown: Vec<(usize, Vec<bool>)> = vec![(0, Vec::new()); n_lines.len()];
        let mut left = n_bytes;
        for Offer { candidate, chunk, .. } in offers {
            let price = chunk.n_bytes + MARKER_BYTES;
            if left <= MARKER_BYTES {
                break;
            }
            let (spent, lines) = &mut shown[*candidate];
            if price > left || *spent + price > limits.bytes_of(&self.candidates[*candidate]) {
                continue;
            }
            left -= price;
            *spent += price;
            lines.resize(n_lines[*candidate], false);
            lines[chunk.lines.clone()].fill(true);
        }
        let shown: Vec<(usize, Vec<bool>)> = shown
            .into_iter()
            .enumerate()
            .filter(|(_, (spent, _))| *spent > 0)
            .map(|(index, (_, lines))| (index, lines))
            .collect();
        let is_new = |(index, lines): &&(usize, Vec<bool>)| {
            made.get(index).is_none_or(|(known, _)| known != lines)
        };
        let new: Vec<&(usize, Vec<bool>)> = shown.iter().filter(is_new).collect();
        let written = on_threads(&new, |(index, lines)| {
            let file = self.prepared[*index].as_ref()?;
            self.excerpt(*index, file, lines.clone(), limits.most)
        });
        for ((index, lines), piece) in new.into_iter().zip(written) {
            let piece = piece.map(|(depth, piece)| (depth, Arc::new(piece)));
            made.insert(*index, (lines.clone(), piece));
        }
        let pieces = shown.iter().filter_map(|(index, _)| {
            let (_, piece) = made.get(index)?;
            piece.as_ref().map(|(depth, piece)| (*index, *depth, Arc::clone(piece)))
        });
        pieces.collect()
    }

    /// The piece that these lines of a file make, when it is within the limit.
    fn excerpt(
        &self,
        index: usize,
        file: &Prepared,
        mut lines: Vec<bool>,
        most: usize,
    ) -> Option<(Depth, Piece)> {
        let name = &self.candidates[index].name;
        let n_missing = lines.iter().filter(|line| !**line).count();
        // Naming the gaps of a nearly whole file costs more than filling them.
        if n_missing * 8 <= lines.len()
            && let Some(piece) = self.maker.full(name, file, most)
        {
            return Some((Depth::Full, piece));
        }
        fill_gaps(&mut lines);
        let piece = self.maker.excerpt(name, file, &lines, self.outline_bytes);
        (piece.n_tokens <= most).then_some((Depth::Parts, piece))
    }

    /// More of a file instead of its outline.
    fn replace(&mut self, index: usize, depth: Depth, piece: Piece) {
        let Some(at) = self.state[index] else {
            self.take(index, depth, Place::Moving, piece);
            return;
        };
        let taken = &mut self.selection.taken[at];
        self.left = (self.left + taken.piece.n_tokens).saturating_sub(piece.n_tokens);
        *taken = Taken { candidate: index, depth, place: Place::Moving, piece };
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
            shown[index - gap..index].fill(true);
        }
        gap = 0;
    }
}
