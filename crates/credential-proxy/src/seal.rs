//! Fernet tokens: the only form in which anything of a credential reaches a disk.
//!
//! The time inside a token is informative. A token from the future opens like any other, because
//! a machine whose clock is behind at boot must not be locked out of its own vault.

use common::clock::Timestamp;
use fernet::Fernet;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Plaintexts are padded to a multiple of this, so that the length of a token says little.
const BLOCK: usize = 256;

/// One key, ready to seal and to open.
pub(crate) struct Seal(Fernet);

impl Seal {
    /// A seal from the 44 characters of a Fernet key; `None` when they are none.
    pub(crate) fn new(key: &Secret) -> Option<Self> {
        Fernet::new(key.expose()).map(Self)
    }

    /// Seals a text; blanks are added to its end.
    pub(crate) fn close(&self, text: &str, now: Timestamp) -> String {
        let mut padded = Zeroizing::new(String::with_capacity(text.len() + BLOCK));
        padded.push_str(text);
        while !padded.len().is_multiple_of(BLOCK) {
            padded.push(' ');
        }
        self.0.encrypt_at_time(padded.as_bytes(), u64::try_from(now.0 / 1000).unwrap_or(0))
    }

    /// Opens a token, whenever it was made; `None` when it was not made with this key, or was changed.
    pub(crate) fn open(&self, token: &str) -> Option<Zeroizing<Vec<u8>>> {
        // The crate refuses a token that is more than a minute ahead of the given time, and adds
        // that minute to it: this is the largest time that neither refuses nor overflows.
        const END_OF_TIME: u64 = u64::MAX - 60;
        self.0.decrypt_at_time(token, None, END_OF_TIME).ok().map(Zeroizing::new)
    }

    /// Opens a token that holds text.
    pub(crate) fn open_text(&self, token: &str) -> Option<Secret> {
        let bytes = self.open(token)?;
        std::str::from_utf8(&bytes).ok().map(Secret::new)
    }
}

/// A new key from the system's randomness: 32 bytes as 44 characters.
pub(crate) fn new_key() -> Secret {
    Secret::new(Fernet::generate_key())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&new_key()).unwrap()
    }

    #[test]
    fn a_token_opens_with_its_own_key_only_and_not_when_a_byte_changed() {
        let (ours, other) = (seal(), seal());
        let token = ours.close("{\"p\":\"ü\"}", Timestamp(1_000_000));
        assert_eq!(ours.open_text(&token).unwrap().expose().trim_end(), "{\"p\":\"ü\"}");
        assert!(other.open(&token).is_none());
        for place in [0, 20, token.len() / 2, token.len() - 3] {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            assert!(ours.open(&String::from_utf8(changed).unwrap()).is_none(), "{place}");
        }
        assert!(ours.open("").is_none());
        assert!(ours.open("not a token").is_none());
    }

    #[test]
    fn a_token_from_the_future_opens_on_a_machine_whose_clock_is_behind() {
        let seal = seal();
        for millis in [i64::MAX, 4_102_444_800_000, 0, -5] {
            assert!(seal.open(&seal.close("x", Timestamp(millis))).is_some());
        }
    }

    #[test]
    fn the_length_of_a_token_does_not_follow_the_length_of_what_is_inside() {
        let seal = seal();
        assert_eq!(
            seal.close("a", Timestamp(0)).len(),
            seal.close(&"a".repeat(200), Timestamp(0)).len()
        );
    }

    #[test]
    fn a_token_of_the_python_library_opens() {
        // From the test vectors of the Fernet specification.
        let seal = Seal::new(&Secret::new("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")).unwrap();
        let token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
        assert_eq!(seal.open_text(token).unwrap().expose(), "hello");
    }
}
