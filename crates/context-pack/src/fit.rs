//! Keeps the promise: the whole text is counted, and pieces are dropped until it fits.

use crate::select::Piece;
use crate::tokens::Tokenizer;

/// Joins the pieces, dropping those that `drop_order` names first until the text has at most
/// `limit` tokens. Returns the text, its tokens, and which pieces are in it.
pub(crate) fn join(
    pieces: &[Piece],
    drop_order: impl IntoIterator<Item = usize>,
    limit: usize,
    tokenizer: Tokenizer,
) -> (String, usize, Vec<bool>) {
    let mut kept = vec![true; pieces.len()];
    let mut drop_order = drop_order.into_iter();
    loop {
        let text: String = pieces
            .iter()
            .zip(&kept)
            .filter(|(_, kept)| **kept)
            .map(|(piece, _)| piece.text.as_str())
            .collect();
        let n_tokens = tokenizer.count(&text);
        if n_tokens <= limit {
            return (text, n_tokens, kept);
        }
        match drop_order.next() {
            Some(index) => kept[index] = false,
            None => return (String::new(), 0, vec![false; pieces.len()]),
        }
    }
}
