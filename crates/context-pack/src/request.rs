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
    /// The most tokens of one file.
    pub(crate) max_file: Option<usize>,
    /// What the document looks like.
    pub(crate) format: Format,
    /// Whether lines have their numbers.
    pub(crate) line_numbers: bool,
    /// Whether there are outlines.
    pub(crate) outlines: bool,
    /// Only files that match; those named exactly come in although they are left out by default.
    pub(crate) include: Vec<String>,
    /// The globs of the command line that somebody expects to match, each with its flag.
    pub(crate) expected: Vec<(&'static str, String)>,
    /// Exact names that lift what is left out by default; never from a settings file, and a secret
    /// only by --include.
    pub(crate) lift: Vec<String>,
    /// Files to leave out.
    pub(crate) exclude: Vec<String>,
    /// Files to show first and in full.
    pub(crate) pin: Vec<String>,
    /// The agent that the pack is for.
    pub(crate) agent: Option<String>,
    /// Words to prefer.
    pub(crate) focus: Vec<String>,
    /// Prefer what changed since this revision.
    pub(crate) changed_since: Option<String>,
    /// Whether the changes are added.
    pub(crate) diff: bool,
    /// How many commit messages are added.
    pub(crate) log: usize,
    /// Whether git is asked.
    pub(crate) git: bool,
    /// Exactly these files.
    pub(crate) files: Option<Vec<PathBuf>>,
    /// What this very pack writes, which is never part of it.
    pub(crate) outputs: Vec<PathBuf>,
}

/// The form of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// The model that will read the document.
    pub(crate) model: Option<Model>,
    /// What is taken off for safety.
    pub(crate) margin: Margin,
}

impl Budget {
    /// The number of tokens that the document may really have.
    pub(crate) fn limit(&self) -> usize {
        let asked = u128::try_from(self.asked.0).unwrap_or(u128::MAX / 100_000_000);
        let permille = self.model.map_or(1000, Model::permille);
        let left = asked * u128::from(10_000 - self.margin.0) * 1000 / 10_000 / permille;
        usize::try_from(left).unwrap_or(usize::MAX)
    }
}

/// A family of models with a vocabulary of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Model {
    /// OpenAI's models, which the vocabularies are of.
    Gpt,
    /// Llama 3.
    Llama3,
    /// DeepSeek V3.
    Deepseek,
    /// Qwen 3.
    Qwen,
    /// Gemma 3.
    Gemma,
    /// Mistral v1 and others with 32,000 tokens.
    Mistral,
    /// Llama 2.
    Llama2,
}

impl Model {
    /// How many tokens the model needs for a thousand of ours: the worst of three whole packs, rounded up.
    fn permille(self) -> u128 {
        match self {
            Self::Gpt => 1000,
            Self::Llama3 => 1010,
            Self::Deepseek => 1100,
            Self::Qwen => 1120,
            Self::Gemma => 1220,
            Self::Mistral | Self::Llama2 => 1320,
        }
    }
}

/// A part of the budget in hundredths of a percent: `5%`, `2.5%`, `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Margin(u16);

impl Default for Margin {
    fn default() -> Self {
        Self(500)
    }
}

/// Why a text is no margin.
#[derive(Debug, thiserror::Error)]
#[error("not a margin; write it as 5%, from 0% to 90%")]
pub(crate) struct MarginError;

impl FromStr for Margin {
    type Err = MarginError;

    fn from_str(text: &str) -> Result<Self, MarginError> {
        let number = text.trim().trim_end_matches('%').trim_end();
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let part = match part.len() {
            1 => format!("{part}0"),
            2 => part.to_owned(),
            _ => return Err(MarginError),
        };
        let whole: u16 = whole.parse().map_err(|_| MarginError)?;
        let part: u16 = part.parse().map_err(|_| MarginError)?;
        let hundredths =
            whole.checked_mul(100).and_then(|whole| whole.checked_add(part)).ok_or(MarginError)?;
        if hundredths > 9000 { Err(MarginError) } else { Ok(Self(hundredths)) }
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
    use super::*;

    #[test]
    fn the_margin_and_the_model_are_taken_off_the_budget() {
        let limit = |margin: &str, model| {
            Budget {
                asked: Tokens(40_000),
                tokenizer: Tokenizer::Cl100k,
                model,
                margin: margin.parse().unwrap(),
            }
            .limit()
        };
        assert_eq!(limit("0", None), 40_000);
        assert_eq!(limit("5%", None), 38_000);
        assert_eq!(limit("0%", Some(Model::Gemma)), 32_786);
        for wrong in ["", "%", "-1", "91", "100%", "1.234", "x"] {
            assert!(wrong.parse::<Margin>().is_err(), "{wrong:?}");
        }
    }

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
