//! The hash by which the build script lays out a vocabulary and the program finds a token in it.

/// A hash of a token's bytes, the same on every machine.
pub(crate) fn of(bytes: &[u8]) -> u32 {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15 ^ (bytes.len() as u64);
    let mut rest = bytes;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        state = mix(state, u64::from_le_bytes(*chunk));
        rest = tail;
    }
    let mut last = [0_u8; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    state = mix(state, u64::from_le_bytes(last));
    (state >> 32) as u32
}

fn mix(state: u64, word: u64) -> u64 {
    let mixed = (state ^ word).wrapping_mul(0x9FB2_1C65_1E98_DF25);
    mixed ^ (mixed >> 29)
}
