//! Keeps the promise: the whole text is counted, and pieces are dropped until it fits.

use crate::piece::Piece;
use crate::render::{Place, Renderer};
use crate::tokens::Tokenizer;

/// The document that fits.
#[derive(Debug, Default)]
pub(crate) struct Fitted {
    /// The text; empty when nothing fits.
    pub(crate) text: String,
    /// Its tokens, counted on the whole.
    pub(crate) n_tokens: usize,
    /// Which of the pieces are in it.
    pub(crate) kept: Vec<bool>,
}

/// Joins the pieces, which are in the order of the document; while the text has more than `limit`
/// tokens, those that `drop_order` names first are dropped.
pub(crate) fn join(
    pieces: &[(Place, &Piece)],
    drop_order: impl IntoIterator<Item = usize>,
    limit: usize,
    renderer: Renderer,
    tokenizer: Tokenizer,
) -> Fitted {
    let mut kept = vec![true; pieces.len()];
    let mut drop_order = drop_order.into_iter();
    loop {
        let texts: Vec<(Place, &str)> = pieces
            .iter()
            .zip(&kept)
            .filter(|(_, kept)| **kept)
            .map(|((place, piece), _)| (*place, piece.text.as_str()))
            .collect();
        let text = renderer.document(&texts);
        let n_tokens = tokenizer.count(&text);
        if n_tokens <= limit {
            return Fitted { text, n_tokens, kept };
        }
        let surplus = n_tokens - limit;
        let mut dropped = 0;
        while dropped < surplus {
            let Some(index) = drop_order.next() else {
                return Fitted { kept: vec![false; pieces.len()], ..Fitted::default() };
            };
            kept[index] = false;
            // Dropping a piece can save a token more or less than it costs alone.
            dropped += pieces[index].1.n_tokens.max(1);
        }
    }
}
