//! The hash by which the build script lays out a vocabulary and the program finds a token in it.

/// A hash of a token's bytes, the same on every machine.
pub(crate) fn of(bytes: &[u8]) -> u32 {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15 ^ (bytes.len() as u64);
    let mut rest = bytes;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        state = mix(state, u64::from_le_bytes(*chunk));
        rest = tail;
    }
    state = mix(state, word(rest));
    (state >> 32) as u32
}

/// At most eight bytes as a little-endian number, filled up with zeros.
pub(crate) fn word(bytes: &[u8]) -> u64 {
    if let Some(all) = bytes.first_chunk::<8>() {
        return u64::from_le_bytes(*all);
    }
    // The parts may overlap: a byte that is in both stands in the same place.
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let last = u64::from(u32::from_le_bytes(*last)) << (8 * (bytes.len() - 4));
        return u64::from(u32::from_le_bytes(*first)) | last;
    }
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn mix(state: u64, word: u64) -> u64 {
    let mixed = (state ^ word).wrapping_mul(0x9FB2_1C65_1E98_DF25);
    mixed ^ (mixed >> 29)
}
