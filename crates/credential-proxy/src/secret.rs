//! The type of everything that must not be seen: wiped when dropped, impossible to print.
//!
//! It has no `Debug`, `Display`, `Clone` or `Serialize`, so that a secret can only leave through
//! [`Secret::expose`], which is easy to search for. The copies that parsers and growing buffers
//! leave on the heap are wiped by the allocator in `sys`.

use zeroize::Zeroize as _;

/// A password, a note, a key: text that nobody prints by accident.
#[derive(Default)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; every call is a place to look at twice.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A second owner, where one is unavoidable; explicit, because a derive would hide it.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }

    /// Compares in a time that depends on the lengths alone.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        is_same_bytes(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Compares two byte strings in a time that depends on their lengths alone.
pub(crate) fn is_same_bytes(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0_u8, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_compare_by_their_text() {
        assert!(Secret::new("a b ").is_same(&Secret::new("a b ")));
        assert!(!Secret::new("a b ").is_same(&Secret::new("a b")));
        assert!(!Secret::new("x").is_same(&Secret::new("y")));
    }
}
