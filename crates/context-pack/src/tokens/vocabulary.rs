//! A vocabulary as the build script laid it out: bytes in the binary, read in place.

use std::sync::LazyLock;

use super::hash;
use super::slot;

/// A rank that no token has.
pub(super) const NONE: u32 = u32::MAX;

/// One vocabulary: hash slots, and the bytes of the tokens that they lead to.
pub(super) struct Vocabulary {
    n_slots: usize,
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
        let (head, rest) = table.split_at(8);
        let n_slots = usize::try_from(number(head, 0)).unwrap_or_default();
        let (slots, bytes) = rest.split_at(8 * n_slots);
        Self { n_slots, slots, bytes }
    }

    /// The rank of the token that these bytes are, or [`NONE`].
    pub(super) fn rank(&self, token: &[u8]) -> u32 {
        let hash = hash::of(token);
        let mut index = hash as usize & (self.n_slots - 1);
        loop {
            // At most half of the slots are taken, so an empty one ends every search.
            let packed = number(self.slots, index);
            if packed == 0 {
                return NONE;
            }
            if let Some((rank, bytes)) = self.token(packed, slot::mark(hash))
                && bytes == token
            {
                return rank;
            }
            index = (index + 1) & (self.n_slots - 1);
        }
    }

    /// The rank and the bytes that a slot leads to, when its token can have this mark.
    fn token(&self, packed: u64, mark: u64) -> Option<(u32, &'static [u8])> {
        let part = |from: u32, n_bits: u32| packed >> from & ((1 << n_bits) - 1);
        if packed >> (slot::RANK + slot::START + slot::LENGTH) != mark {
            return None;
        }
        let start = usize::try_from(part(slot::RANK, slot::START)).ok()?;
        let n_bytes = usize::try_from(part(slot::RANK + slot::START, slot::LENGTH)).ok()?;
        Some((u32::try_from(part(0, slot::RANK)).ok()?, self.bytes.get(start..start + n_bytes)?))
    }
}

/// The little-endian number at `index`; the tables end where the build script says, so 0 is never read beyond.
fn number(table: &[u8], index: usize) -> u64 {
    table
        .get(8 * index..)
        .and_then(<[u8]>::first_chunk::<8>)
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
