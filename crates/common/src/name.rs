//! Names of agents, jobs and resources: checked once, at the edge, by type.
//!
//! 1 to 200 characters, none of them a control character. Anything else is wrong usage (exit 2).

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A name of an agent, a job or a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

/// The longest name, in characters.
pub const MAX_CHARS: usize = 200;

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text has more than [`MAX_CHARS`] characters.
    #[error("a name has at most {MAX_CHARS} characters, this one has {0}")]
    TooLong(usize),
    /// The text has a control character.
    #[error("a name must not contain control characters")]
    Control,
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let n_chars = text.chars().count();
        if n_chars > MAX_CHARS {
            return Err(NameError::TooLong(n_chars));
        }
        if text.chars().any(char::is_control) {
            return Err(NameError::Control);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_200_characters_and_no_control_character() {
        for (text, expect) in [
            ("", Err(NameError::Empty)),
            ("k6-weekly", Ok(())),
            ("'; DROP TABLE agents; --", Ok(())),
            ("größe mit leerzeichen", Ok(())),
            ("two\nlines", Err(NameError::Control)),
            ("\u{1b}[31mred", Err(NameError::Control)),
            (&"ü".repeat(200), Ok(())),
            (&"ü".repeat(201), Err(NameError::TooLong(201))),
        ] {
            assert_eq!(text.parse::<Name>().map(|_| ()), expect, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_name_is_kept_as_it_is_and_safe_in_one_line(text in ".{0,210}") {
            if let Ok(name) = text.parse::<Name>() {
                assert_eq!(name.as_str(), text);
                assert!((1..=MAX_CHARS).contains(&text.chars().count()));
                assert!(!text.contains(char::is_control));
            }
        }
    }
}
