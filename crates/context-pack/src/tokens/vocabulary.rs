//! A vocabulary as the build script laid it out: bytes in the binary, read in place.

use std::sync::LazyLock;

use super::hash;

/// A rank that no token has.
pub(super) const NONE: u32 = u32::MAX;

/// One vocabulary: for each token its bytes, and hash slots that lead to it.
pub(super) struct Vocabulary {
    n_slots: usize,
    ends: &'static [u8],
    slots: &'static [u8],
    bytes: &'static [u8],
}

macro_rules! vocabulary {
    ($name:ident, $file:literal) => {
        pub(super) static $name: LazyLock<Vocabulary> = LazyLock::new(|| {
            Vocabulary::over(include_bytes!(concat!(env!("OUT_DIR"), "/", $file)))
        });
    };
}

vocabulary!(CL100K_BASE, "cl100k_base.bin");
vocabulary!(O200K_BASE, "o200k_base.bin");
vocabulary!(P50K_BASE, "p50k_base.bin");
vocabulary!(R50K_BASE, "r50k_base.bin");

impl Vocabulary {
    fn over(table: &'static [u8]) -> Self {
        let n_tokens = number(table, 0) as usize;
        let n_slots = number(table, 1) as usize;
        let (_, rest) = table.split_at(8);
        let (ends, rest) = rest.split_at(4 * n_tokens);
        let (slots, bytes) = rest.split_at(4 * n_slots);
        Self { n_slots, ends, slots, bytes }
    }

    /// The rank of the token that these bytes are, or [`NONE`].
    pub(super) fn rank(&self, token: &[u8]) -> u32 {
        let mut slot = hash::of(token) as usize & (self.n_slots - 1);
        loop {
            // At most half of the slots are taken, so an empty one ends every search.
            match number(self.slots, slot) {
                0 => return NONE,
                entry if self.token(entry - 1) == token => return entry - 1,
                _ => slot = (slot + 1) & (self.n_slots - 1),
            }
        }
    }

    fn token(&self, rank: u32) -> &'static [u8] {
        let rank = rank as usize;
        let start = if rank == 0 { 0 } else { number(self.ends, rank - 1) as usize };
        self.bytes.get(start..number(self.ends, rank) as usize).unwrap_or_default()
    }
}

/// The little-endian number at `index`; the tables end where the build script says, so 0 is never read beyond.
fn number(table: &[u8], index: usize) -> u32 {
    table
        .get(4 * index..)
        .and_then(<[u8]>::first_chunk::<4>)
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
