//! Decides which files appear in the document, for the tokens that there are.
//!
//! A file that does not fit is cut or passed over, and the next is tried: one misfit never ends
//! the pack.

use std::fmt::Write as _;

use crate::render::{Renderer, Section};
use crate::tokens::Tokenizer;

/// A piece of the document with its price.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// The text as it stands in the document.
    pub(crate) text: String,
    /// What it costs alone; joining pieces can cost one more each.
    pub(crate) n_tokens: usize,
}

impl Piece {
    /// Counts a text.
    pub(crate) fn new(text: String, tokenizer: Tokenizer) -> Self {
        let n_tokens = tokenizer.count(&text);
        Self { text, n_tokens }
    }

    /// What the piece costs at most once it is joined to others.
    pub(crate) fn price(&self) -> usize {
        self.n_tokens + 1
    }
}

/// The fewest tokens for which a cut file is still worth a look.
const LEAST: usize = 120;

/// The section as a piece of at most `limit` tokens, cut from below where it must be.
pub(crate) fn piece(
    section: &Section,
    limit: usize,
    renderer: Renderer,
    tokenizer: Tokenizer,
) -> Option<(Piece, bool)> {
    // No token is shorter than a byte, so most of a long file need not be counted.
    let whole =
        (section.body.len() / 16 < limit).then(|| Piece::new(renderer.section(section), tokenizer));
    if let Some(whole) = whole
        && whole.price() <= limit
    {
        return Some((whole, false));
    }
    if limit < LEAST {
        return None;
    }
    let lines: Vec<&str> = section.body.split_inclusive('\n').collect();
    let (mut least, mut most) = (0, lines.len().min(limit * 2));
    let mut best = None;
    while least < most {
        let middle = least + (most - least).div_ceil(2);
        let cut = head(section, &lines, middle);
        let piece = Piece::new(renderer.section(&cut), tokenizer);
        if piece.price() <= limit {
            best = Some(piece);
            least = middle;
        } else {
            most = middle - 1;
        }
    }
    best.map(|piece| (piece, true))
}

/// The first lines of a section, and how many are missing.
fn head(section: &Section, lines: &[&str], n_lines: usize) -> Section {
    let mut body: String = lines.iter().take(n_lines).copied().collect();
    let n_omitted = lines.len().saturating_sub(n_lines);
    let _ = writeln!(body, "… {n_omitted} lines omitted …");
    Section { body, ..section.clone() }
}
