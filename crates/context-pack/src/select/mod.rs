//! Decides which files appear at which depth: the best value for the tokens, in one pass.
//!
//! What must be read first comes first, within a share. Then outlines for breadth, best value
//! first, within theirs. Then excerpts and whole files for what will be edited, by value for the
//! price. What a share leaves flows on. A file that does not fit is passed over, and the next is
//! tried: one misfit never ends the pack.

mod excerpts;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::focus::Focus;
use crate::git::Hot;
use crate::kind::Kind;
use crate::look::Moved;
use crate::piece::{Maker, Piece};
use crate::prepare::{Ahead, Prepared, Reader};
use crate::redact::Tally;
use crate::render::{Depth, Place};
use crate::text::Refusal;
use crate::threads::on_threads;
use crate::value::Value;
use crate::walk::Root;
use excerpts::Limits;

/// A file that the walk found, with its value.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// Its name in the document.
    pub(crate) name: String,
    /// What it is worth.
    pub(crate) value: Value,
    /// Whether the user wants it first and in full.
    pub(crate) pinned: bool,
    /// The index of its root, and its path under that.
    pub(crate) root: usize,
    pub(crate) under_root: PathBuf,
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
    /// The secrets that were replaced in each candidate.
    pub(crate) redacted: Vec<Tally>,
}

/// What the user wants besides value.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Whether there are outlines.
    pub(crate) outlines: bool,
    /// The most tokens of one file.
    pub(crate) max_file: Option<usize>,
    /// The words that were asked for.
    pub(crate) focus: Option<Focus>,
}

/// Shares of the budget.
#[derive(Debug, Clone, Copy)]
struct Shares {
    /// For what must be read first.
    core: usize,
    /// For one file of it.
    core_file: usize,
    /// For what the user pinned.
    pinned: usize,
    /// For outlines.
    outlines: usize,
    /// For the chunks of one file of the rest, in bytes.
    file_bytes: usize,
    /// The most tokens that the user wants of any file.
    most: usize,
}

impl Shares {
    fn of(limit: usize, wanted: &Wanted) -> Self {
        let most = wanted.max_file.unwrap_or(usize::MAX);
        Self {
            core: limit / 10,
            core_file: (limit / 20).max(600.min(limit / 6)).min(most),
            pinned: limit / 2,
            outlines: if wanted.outlines { limit / 9 } else { 0 },
            file_bytes: limit / 4,
            most,
        }
    }
}

/// Files read at a time.
const BATCH: usize = 96;

/// About how many bytes the outline of a file has.
const OUTLINE_BYTES: usize = 70;

/// About the tokens of an excerpt; so many files are read for them at least.
const EXCERPT: usize = 100;

/// The most files that are read for excerpts.
const MOST_READ: usize = 2000;

/// The fewest tokens that an outline has.
const SMALLEST: usize = 16;

/// Pieces tried in vain before giving up.
const MISFITS: usize = 200;

/// How many instructions, manifests and guides are shown first.
const CORE_FILES: usize = 24;

/// How many files are read at least, if there are as many, for a pack of `limit` tokens.
pub(crate) fn n_read(limit: usize) -> usize {
    (limit / EXCERPT).clamp(8, MOST_READ)
}

/// Selects from `candidates` under `roots`, best first, what fits `limit` tokens.
pub(crate) fn select(
    candidates: &[Candidate],
    roots: &[Root],
    limit: usize,
    maker: Maker,
    wanted: &Wanted,
    moved: Moved<'_>,
    ahead: Ahead,
) -> Selection {
    let shares = Shares::of(limit, wanted);
    let mut run = Run {
        candidates,
        roots,
        maker,
        shares,
        focus: wanted.focus.as_ref(),
        outline_bytes: if wanted.outlines { OUTLINE_BYTES } else { 0 },
        left: limit,
        reader: Reader::new(ahead),
        hot: Vec::new(),
        prepared: Vec::new(),
        outlined: vec![None; candidates.len()],
        state: vec![None; candidates.len()],
        refused: BTreeSet::new(),
        selection: Selection::default(),
    };
    run.prepared.resize_with(candidates.len(), || None);
    run.core();
    if wanted.outlines {
        run.outlines(shares.outlines.min(run.left));
    }
    // Whatever may be shown as an excerpt must be read, outlined or not.
    let most = n_read(limit).min(candidates.len());
    run.prepare(&(0..most).collect::<Vec<_>>());
    run.hot = moved.join();
    run.excerpts(Limits { n_bytes: shares.file_bytes, most: shares.most });
    if run.left > limit / 20 {
        run.excerpts(Limits { n_bytes: usize::MAX, most: shares.most });
    }
    if wanted.outlines {
        run.outlines(run.left);
    }
    let redacted =
        run.prepared.into_iter().map(|file| file.map(|file| file.redacted).unwrap_or_default());
    Selection { redacted: redacted.collect(), ..run.selection }
}

struct Run<'a> {
    candidates: &'a [Candidate],
    roots: &'a [Root],
    maker: Maker,
    shares: Shares,
    focus: Option<&'a Focus>,
    outline_bytes: usize,
    left: usize,
    reader: Reader,
    /// The lines that moved lately, by root.
    hot: Vec<Hot>,
    prepared: Vec<Option<Prepared>>,
    /// The outlines that were written and did not fit yet.
    outlined: Vec<Option<Piece>>,
    /// Where in the selection a candidate is.
    state: Vec<Option<usize>>,
    refused: BTreeSet<usize>,
    selection: Selection,
}

impl Run<'_> {
    /// Where a candidate is.
    fn place(&self, index: usize) -> PathBuf {
        let Candidate { root, under_root, .. } = &self.candidates[index];
        self.roots[*root].folder.join(under_root)
    }

    /// Reads the candidates among these that were not read before.
    fn prepare(&mut self, indices: &[usize]) {
        let is_new =
            |index: &usize| self.prepared[*index].is_none() && !self.refused.contains(index);
        let new: Vec<usize> = indices.iter().copied().filter(is_new).collect();
        let paths: Vec<PathBuf> = new.iter().map(|index| self.place(*index)).collect();
        for (index, result) in new.into_iter().zip(self.reader.read_all(&paths)) {
            match result {
                Ok(prepared) => self.prepared[index] = Some(prepared),
                Err(refusal) => {
                    self.refused.insert(index);
                    self.selection.refused.push((index, refusal));
                }
            }
        }
    }

    fn take(&mut self, candidate: usize, depth: Depth, place: Place, piece: Piece) {
        self.left = self.left.saturating_sub(piece.n_tokens);
        self.state[candidate] = Some(self.selection.taken.len());
        self.selection.taken.push(Taken { candidate, depth, place, piece });
    }

    /// What the user pinned and what must be read first, cut where it is long.
    fn core(&mut self) {
        let all = 0..self.candidates.len();
        let pinned: Vec<usize> =
            all.clone().filter(|index| self.candidates[*index].pinned).collect();
        let share = self.shares.pinned;
        self.read_first(&pinned, share.min(self.shares.most), share);
        let mut core: Vec<usize> = all.filter(|index| is_core(&self.candidates[*index])).collect();
        core.sort_by_key(|index| {
            let candidate = &self.candidates[*index];
            (candidate.depth > 0, candidate.value.kind, candidate.depth, &candidate.name)
        });
        core.truncate(CORE_FILES);
        self.read_first(&core, self.shares.core_file, self.shares.core);
    }

    /// Shows these files in their order, each in full or its head, within a share.
    fn read_first(&mut self, indices: &[usize], file_limit: usize, share: usize) {
        self.prepare(indices);
        let mut share = share.min(self.left);
        for index in
            indices.iter().copied().filter(|index| self.state[*index].is_none()).collect::<Vec<_>>()
        {
            let Some(file) = &self.prepared[index] else { continue };
            let name = &self.candidates[index].name;
            let limit = file_limit.min(share);
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

    /// The outline of a file, shorter than others where the user wants few tokens of any file.
    fn outline(&self, name: &str, file: &Prepared) -> Option<Piece> {
        let mut pieces = [1, 2, 4, OUTLINE_BYTES]
            .into_iter()
            .map(|part| self.maker.outline(name, file, self.outline_bytes / part));
        pieces.find(|piece| piece.n_tokens <= self.shares.most)
    }

    /// Outlines for at most `share` tokens, best value first.
    fn outlines(&mut self, mut share: usize) {
        let mut n_misfits = 0;
        let open: Vec<usize> =
            (0..self.candidates.len()).filter(|index| self.state[*index].is_none()).collect();
        for batch in open.chunks(BATCH) {
            if share < SMALLEST || n_misfits > MISFITS {
                return;
            }
            self.prepare(batch);
            let new: Vec<usize> =
                batch.iter().copied().filter(|index| self.outlined[*index].is_none()).collect();
            let written = on_threads(&new, |index| {
                let file = self.prepared[*index].as_ref()?;
                self.outline(&self.candidates[*index].name, file)
            });
            for (index, piece) in new.into_iter().zip(written) {
                self.outlined[index] = piece;
            }
            for index in batch.iter().copied() {
                match self.outlined[index].take() {
                    Some(piece) if piece.n_tokens <= share => {
                        share -= piece.n_tokens;
                        self.take(index, Depth::Outline, Place::Outlines, piece);
                    }
                    None => {}
                    misfit => {
                        self.outlined[index] = misfit;
                        n_misfits += 1;
                    }
                }
            }
        }
    }
}

/// Whether a file is one of those that must be read first.
fn is_core(candidate: &Candidate) -> bool {
    match candidate.value.kind {
        Kind::Instruction => candidate.depth <= 3,
        Kind::Readme | Kind::Guide | Kind::Manifest => candidate.depth == 0,
        _ => false,
    }
}
