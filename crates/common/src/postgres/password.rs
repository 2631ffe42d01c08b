//! A password: text that cannot be printed and that is wiped when it is dropped.
//!
//! The client of the protocol takes a copy for the time of one handshake; that copy is not ours to wipe.

use std::fmt;

use zeroize::Zeroizing;

/// A password. It has no `Display`, is never serialized, and its `Debug` shows nothing of it.
#[derive(Clone)]
pub(super) struct Password(Zeroizing<String>);

impl Password {
    pub(super) fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// The text itself, for the handshake alone.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_in_its_debug_form() {
        let password = Password::new(Zeroizing::new("hunter2".to_owned()));
        assert_eq!(format!("{password:?}"), "Password(..)");
        assert_eq!(password.reveal(), "hunter2");
    }
}
