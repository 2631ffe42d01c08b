//! Byte-pair encoding of one piece: the pair of the lowest rank is merged until none is left.
//!
//! Only the number of tokens is kept. Short pieces are scanned for their lowest pair; long ones
//! keep their pairs in a heap, so that a line of a megabyte takes no quadratic time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::vocabulary::{NONE, Vocabulary};

/// Above this many bytes the heap is faster than scanning.
const LONG: usize = 96;

/// The number of tokens of `piece`.
pub(super) fn count(vocabulary: &Vocabulary, piece: &[u8]) -> usize {
    if piece.len() < 2 {
        return piece.len();
    }
    if vocabulary.rank(piece) != NONE {
        return 1;
    }
    if piece.len() <= LONG { scan(vocabulary, piece) } else { heap(vocabulary, piece) }
}

/// Where a part starts, and the rank of the pair that it forms with the next part.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    rank: u32,
}

fn scan(vocabulary: &Vocabulary, piece: &[u8]) -> usize {
    let rank =
        |start: usize, end: usize| piece.get(start..end).map_or(NONE, |pair| vocabulary.rank(pair));
    let mut parts = [Part { start: 0, rank: NONE }; LONG + 2];
    let mut n_parts = piece.len();
    for (start, part) in parts.iter_mut().enumerate().take(n_parts + 2) {
        let rank = if start + 1 < n_parts { rank(start, start + 2) } else { NONE };
        *part = Part { start: start.min(n_parts), rank };
    }
    let end_of =
        |parts: &[Part], index: usize| parts.get(index).map_or(piece.len(), |part| part.start);
    while let Some((index, lowest)) =
        parts[..n_parts].iter().enumerate().min_by_key(|(_, part)| part.rank)
    {
        if lowest.rank == NONE {
            break;
        }
        parts.copy_within(index + 2..n_parts + 2, index + 1);
        n_parts -= 1;
        parts[n_parts + 1].start = piece.len();
        for changed in [Some(index), index.checked_sub(1)].into_iter().flatten() {
            parts[changed].rank = if changed + 1 < n_parts {
                rank(parts[changed].start, end_of(&parts, changed + 2))
            } else {
                NONE
            };
        }
    }
    n_parts
}

/// A part of a long piece in a list: where it ends, where its neighbor starts, what pair it forms.
struct Link {
    previous: usize,
    end: usize,
    rank: u32,
}

fn heap(vocabulary: &Vocabulary, piece: &[u8]) -> usize {
    let rank =
        |start: usize, end: usize| piece.get(start..end).map_or(NONE, |pair| vocabulary.rank(pair));
    let mut queue = BinaryHeap::with_capacity(piece.len());
    let mut links: Vec<Link> = (0..piece.len())
        .map(|start| {
            let rank = if start + 2 <= piece.len() { rank(start, start + 2) } else { NONE };
            if rank != NONE {
                queue.push(Reverse((rank, start)));
            }
            Link { previous: start.wrapping_sub(1), end: start + 1, rank }
        })
        .collect();
    let mut n_parts = piece.len();
    while let Some(Reverse((lowest, start))) = queue.pop() {
        // An entry that no longer says what the list says was overtaken by another merge.
        if links[start].rank != lowest {
            continue;
        }
        let right = links[start].end;
        let end = links[right].end;
        links[right].rank = NONE;
        links[start].end = end;
        n_parts -= 1;
        let mut next_end = NONE as usize;
        if let Some(next) = links.get_mut(end) {
            next.previous = start;
            next_end = next.end;
        }
        links[start].rank = if end < piece.len() { rank(start, next_end) } else { NONE };
        let changed_rank = links[start].rank;
        if changed_rank != NONE {
            queue.push(Reverse((changed_rank, start)));
        }
        let previous = links[start].previous;
        if let Some(link) = links.get_mut(previous) {
            link.rank = rank(previous, end);
            if link.rank != NONE {
                queue.push(Reverse((link.rank, previous)));
            }
        }
    }
    n_parts
}
