//! How a slot of a vocabulary's hash table is laid out in eight bytes; an empty slot is 0.
//!
//! From the lowest bit: the token's rank, where its bytes start, how many they are, and a part of
//! its hash. The build script packs slots, the program unpacks them.

/// Bits of a token's rank.
pub(crate) const RANK: u32 = 18;

/// Bits of the place where its bytes start.
pub(crate) const START: u32 = 22;

/// Bits of their number.
pub(crate) const LENGTH: u32 = 9;

/// The part of a hash that a slot keeps.
pub(crate) fn mark(hash: u32) -> u64 {
    u64::from(hash >> (RANK + START + LENGTH - 32))
}
