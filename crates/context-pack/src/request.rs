//! What is asked for, checked once: budget, format, paths. It knows no clap arguments and no files.

use std::path::PathBuf;
use std::str::FromStr;

use crate::tokens::Tokenizer;

/// Everything that a pack depends on besides the tree itself.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What is packed, in this order.
    pub(crate) paths: Vec<PathBuf>,
    /// How large the document may be.
    pub(crate) budget: Budget,
    /// What the document looks like.
    pub(crate) format: Format,
}

/// The form of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Headings and fences.
    Markdown,
    /// Elements with character data.
    Xml,
    /// One object.
    Json,
}

impl Format {
    /// How the name of a file in this form ends.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Markdown => ".md",
            Self::Xml => ".xml",
            Self::Json => ".json",
        }
    }
}

/// How many tokens of which vocabulary a document may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// What the user asked for.
    pub(crate) asked: Tokens,
    /// The vocabulary that counts.
    pub(crate) tokenizer: Tokenizer,
}

impl Budget {
    /// The number of tokens that the document may really have.
    pub(crate) fn limit(&self) -> usize {
        self.asked.0
    }
}

/// A number of tokens: `32000`, `32_000`, `32,000`, `32k`, `1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tokens(pub(crate) usize);

/// Why a text is no number of tokens.
#[derive(Debug, thiserror::Error)]
#[error("not a number of tokens; write it as 32000 or 32k")]
pub(crate) struct TokensError;

impl FromStr for Tokens {
    type Err = TokensError;

    fn from_str(text: &str) -> Result<Self, TokensError> {
        let (digits, unit) = match text.as_bytes().last() {
            Some(b'k' | b'K') => (&text[..text.len() - 1], 1000),
            Some(b'm' | b'M') => (&text[..text.len() - 1], 1_000_000),
            _ => (text, 1),
        };
        let digits: String = digits.chars().filter(|digit| !matches!(digit, '_' | ',')).collect();
        let number: usize = digits.parse().map_err(|_| TokensError)?;
        Ok(Self(number.checked_mul(unit).ok_or(TokensError)?))
    }
}

#[cfg(test)]
mod tests {
    use super::Tokens;

    #[test]
    fn a_budget_is_read_as_people_write_it() {
        for (text, expect) in [
            ("32000", Some(32_000)),
            ("32k", Some(32_000)),
            ("32_000", Some(32_000)),
            ("1M", Some(1_000_000)),
            ("1000000000000", Some(1_000_000_000_000)),
            ("0", Some(0)),
            ("", None),
            ("k", None),
            ("-1", None),
            ("ä", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(text.parse::<Tokens>().ok().map(|tokens| tokens.0), expect, "{text:?}");
        }
    }
}
