//! What short pieces were counted as lately: a text has the same words again and again, and a
//! document is counted several times while it is chosen.

use std::sync::{Mutex, PoisonError};

use super::vocabulary::Vocabulary;
use super::{Tokenizer, hash, merge};

/// Bits of a place in the table.
const PLACE: u32 = 12;

/// The most bytes of a piece that is remembered.
const LONGEST: usize = 24;

/// A piece, its length, its vocabulary, and its tokens; all zero when there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Slot {
    words: [u64; 3],
    n_bytes: u16,
    tokenizer: u16,
    n_tokens: u32,
}

/// A table in which a new piece takes the place of the one that was there.
#[derive(Debug)]
pub(super) struct Memo(Vec<Slot>);

/// Tables that nobody uses now. Threads come and go, and what they learned stays.
static IDLE: Mutex<Vec<Memo>> = Mutex::new(Vec::new());

impl Memo {
    /// One that is idle, or a new one.
    pub(super) fn borrow() -> Self {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Self(vec![Slot::default(); 1 << PLACE]))
    }

    /// Leaves it to the next.
    pub(super) fn give_back(self) {
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }

    /// The number of tokens of `piece`.
    pub(super) fn count(
        &mut self,
        tokenizer: Tokenizer,
        vocabulary: &Vocabulary,
        piece: &[u8],
    ) -> usize {
        if piece.len() < 2 {
            return piece.len();
        }
        let (Ok(n_bytes), true) = (u16::try_from(piece.len()), piece.len() <= LONGEST) else {
            return merge::count(vocabulary, piece);
        };
        let rest = |from: usize| piece.get(from..).map_or(0, hash::word);
        let words = [hash::word(piece), rest(8), rest(16)];
        let asked = Slot { words, n_bytes, tokenizer: tokenizer as u16, n_tokens: 0 };
        let Some(slot) = self.0.get_mut(place(&words)) else {
            return merge::count(vocabulary, piece);
        };
        if (Slot { n_tokens: 0, ..*slot }) == asked {
            return slot.n_tokens as usize;
        }
        let n_tokens = merge::count(vocabulary, piece);
        if let Ok(n_tokens) = u32::try_from(n_tokens) {
            *slot = Slot { n_tokens, ..asked };
        }
        n_tokens
    }
}

/// Where a piece stands, if it is there.
fn place(words: &[u64; 3]) -> usize {
    let [first, second, third] = *words;
    let mixed = first ^ second.rotate_left(21) ^ third.rotate_left(42);
    let mixed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(mixed >> (u64::BITS - PLACE)).unwrap_or_default()
}
