//! Settings files: `.context-pack.toml` of the tree and `config.toml` of the user.
//!
//! A file can say whatever a flag can say about the choice and the budget, but it cannot bring in a
//! secret: a tree must not decide that its reader's keys are packed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use clap::ValueEnum as _;
use common::error::file;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::redact::{Tally, redact};
use crate::request::{Format, Margin, Model, Tokens, TokensError};
use crate::tokens::Tokenizer;
use crate::{Error, walk};

/// What a settings file can say; an unknown key is a mistake.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    #[serde(deserialize_with = "tokens")]
    pub(crate) budget: Option<Tokens>,
    #[serde(deserialize_with = "tokenizer")]
    pub(crate) tokenizer: Option<Tokenizer>,
    pub(crate) model: Option<Model>,
    #[serde(deserialize_with = "margin")]
    pub(crate) margin: Option<Margin>,
    #[serde(deserialize_with = "tokens")]
    pub(crate) max_file: Option<Tokens>,
    pub(crate) format: Option<Format>,
    pub(crate) line_numbers: Option<bool>,
    pub(crate) outline: Option<bool>,
    pub(crate) diff: Option<bool>,
    #[serde(deserialize_with = "messages")]
    pub(crate) log: Option<usize>,
    #[serde(deserialize_with = "globs")]
    pub(crate) include: Vec<String>,
    #[serde(deserialize_with = "globs")]
    pub(crate) exclude: Vec<String>,
    #[serde(deserialize_with = "globs")]
    pub(crate) pin: Vec<String>,
    #[serde(deserialize_with = "texts")]
    pub(crate) focus: Vec<String>,
}

/// A number of tokens as a number or as text: `32000`, `"32k"`.
fn tokens<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Tokens>, D::Error> {
    struct Either;
    impl Visitor<'_> for Either {
        type Value = Tokens;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a number of tokens, as 32000 or \"32k\"")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Tokens, E> {
            usize::try_from(number).map(Tokens).map_err(|_| E::custom(TokensError))
        }

        fn visit_i128<E: de::Error>(self, _: i128) -> Result<Tokens, E> {
            Err(E::custom(TokensError))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Tokens, E> {
            text.parse().map_err(E::custom)
        }
    }
    value.deserialize_any(Either).map(Some)
}

/// A margin as text or as a number of percent: `"5%"`, `5`, `2.5`.
fn margin<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Margin>, D::Error> {
    struct Either;
    impl Visitor<'_> for Either {
        type Value = Margin;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a margin, as \"5%\"")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Margin, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_f64<E: de::Error>(self, number: f64) -> Result<Margin, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Margin, E> {
            text.parse().map_err(E::custom)
        }
    }
    value.deserialize_any(Either).map(Some)
}

fn messages<'de, D: Deserializer<'de>>(value: D) -> Result<Option<usize>, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = usize;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a number of commit messages, as 10")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<usize, E> {
            usize::try_from(number)
                .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
        }
    }
    value.deserialize_any(Number).map(Some)
}

fn texts<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Vec<String>;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a list of texts, as [\"one\", \"two\"]")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = list.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }
    value.deserialize_any(List)
}

fn tokenizer<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Tokenizer>, D::Error> {
    let name = String::deserialize(value)?;
    let names = || Tokenizer::value_variants().iter().map(|known| known.name()).collect::<Vec<_>>();
    Tokenizer::from_str(&name, false).map(Some).map_err(|_| {
        de::Error::custom(format!(
            "unknown tokenizer `{name}`, expected one of {}",
            names().join(", ")
        ))
    })
}

fn globs<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    let globs = texts(value)?;
    match walk::globs(&globs) {
        Err(Error::Glob { source, .. }) => Err(de::Error::custom(source)),
        Err(error) => Err(de::Error::custom(error)),
        Ok(_) => Ok(globs),
    }
}

/// The file in a tree.
pub(crate) const IN_TREE: &str = ".context-pack.toml";

/// The file of the user, under the home directory.
pub(crate) const IN_HOME: &str = ".config/context-pack/config.toml";

/// Nobody writes more settings than this, and a tree can bring a file of any size.
const LARGEST: u64 = 1024 * 1024;

/// What `context-pack init` writes.
pub(crate) const TEMPLATE: &str = include_str!("settings.toml");

impl Settings {
    /// Reads a file that must be there.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
            .and_then(|n_bytes| {
                let is_read = n_bytes as u64 <= LARGEST;
                if is_read { Ok(()) } else { Err(io::Error::other("it is larger than 1 MiB")) }
            })
            .map_err(file("read the settings", path))?;
        Self::parse(&text, path)
    }

    /// Reads a file that may be absent.
    pub(crate) fn read_if_there(path: &Path) -> Result<Self, Error> {
        if path.is_file() { Self::read(path) } else { Ok(Self::default()) }
    }

    /// Reads the text of the file at `path`.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            // Some messages of the parser take two lines, and one is expected here.
            let said = error.message().trim().replace('\n', ", ");
            // A value that is quoted can be a secret in the wrong place.
            let said = redact(&said, &mut Tally::new()).into_owned();
            Error::Settings { path: path.to_path_buf(), line, column, said }
        })
    }

    /// These settings, and those of `other` where these say nothing.
    pub(crate) fn over(mut self, other: Self) -> Self {
        self.include.extend(other.include);
        self.exclude.extend(other.exclude);
        self.pin.extend(other.pin);
        self.focus.extend(other.focus);
        Self {
            budget: self.budget.or(other.budget),
            tokenizer: self.tokenizer.or(other.tokenizer),
            model: self.model.or(other.model),
            margin: self.margin.or(other.margin),
            max_file: self.max_file.or(other.max_file),
            format: self.format.or(other.format),
            line_numbers: self.line_numbers.or(other.line_numbers),
            outline: self.outline.or(other.outline),
            diff: self.diff.or(other.diff),
            log: self.log.or(other.log),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_settings_file_with_every_line_in_comments_or_not() {
        let path = Path::new("t");
        assert!(Settings::parse(TEMPLATE, path).is_ok());
        let all: String = TEMPLATE
            .lines()
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|rest| rest.contains(" = "))
                    .unwrap_or(line)
                    .to_owned()
                    + "\n"
            })
            .collect();
        let settings = Settings::parse(&all, path).unwrap();
        assert!(
            settings.budget.is_some() && settings.log.is_some() && !settings.exclude.is_empty()
        );
    }

    #[test]
    fn a_mistake_is_named_with_its_file_line_and_column() {
        for (text, expect) in [
            (
                "budget = 1\nexlude = []\n",
                "line 2, column 1: unknown field `exlude`, expected one of",
            ),
            ("log = 1\nbudget = \"x\"\n", "line 2, column 10: not a number of tokens"),
            ("budget = -1\n", "line 1, column 10: not a number of tokens"),
            (
                "budget = true\n",
                "line 1, column 10: invalid type: boolean `true`, expected a number",
            ),
            ("max-file = 1.5\n", "line 1, column 12: invalid type: floating point"),
            ("margin = \"500%\"\n", "line 1, column 10: not a margin"),
            ("margin = 99\n", "line 1, column 10: not a margin"),
            (
                "margin = []\n",
                "line 1, column 10: invalid type: sequence, expected a margin, as \"5%\"",
            ),
            ("budget = 99999999999999999999\n", "line 1, column 10: not a number of tokens"),
            (
                "log = -1\n",
                "line 1, column 7: invalid value: integer `-1`, expected a number of commit messages",
            ),
            (
                "log = \"5\"\n",
                "line 1, column 7: invalid type: string \"5\", expected a number of commit messages",
            ),
            (
                "include = \"src\"\n",
                "line 1, column 11: invalid type: string \"src\", expected a list of texts",
            ),
            ("focus = [1]\n", "line 1, column 10: invalid type: integer `1`, expected a string"),
            (
                "tokenizer = \"cl\"\n",
                "line 1, column 13: unknown tokenizer `cl`, expected one of cl100k_base",
            ),
            ("pin = [\"[\"]\n", "line 1, column 7: error parsing glob"),
            ("pin = [\"\"]\n", "line 1, column 7: cannot read the pattern '': it names nothing"),
            (
                "format = \"yaml\"\n",
                "line 1, column 10: unknown variant `yaml`, expected one of `markdown`",
            ),
            ("a = [\n", "line 1, column"),
            ("budget = 1\nbudget = 2\n", "line 2, column 1: duplicate key"),
        ] {
            let error = Settings::parse(text, Path::new("f.toml")).unwrap_err().to_string();
            let said = error.strip_prefix("cannot read the settings f.toml: ").unwrap();
            assert!(said.starts_with(expect) && !said.contains('\n'), "{text:?}: {said}");
        }
    }

    #[test]
    fn a_mistake_does_not_show_a_secret_that_was_written_in_the_wrong_place() {
        let token = format!("ghp_{}", "a1B2".repeat(9));
        for text in [
            format!("tokenizer = \"{token}\"\n"),
            format!("model = \"{token}\"\n"),
            format!("{token} = 1\n"),
            format!("log = \"{token}\"\n"),
            format!("pin = [\"{token}[\"]\n"),
        ] {
            let error = Settings::parse(&text, Path::new("f.toml")).unwrap_err().to_string();
            assert!(error.contains("[redacted:github-token]"), "{error}");
            assert!(!error.contains(&token), "{error}");
        }
    }

    #[test]
    fn a_margin_is_a_text_or_a_number_of_percent() {
        let margin = |text| Settings::parse(text, Path::new("f.toml")).unwrap().margin.unwrap();
        assert_eq!(margin("margin = \"5%\""), margin("margin = 5"));
        assert_eq!(margin("margin = \"2.5%\""), margin("margin = 2.5"));
    }

    #[test]
    fn a_number_of_tokens_is_a_number_or_a_text() {
        let settings = |text| Settings::parse(text, Path::new("f.toml")).unwrap();
        assert_eq!(settings("budget = 8000").budget, Some(Tokens(8000)));
        assert_eq!(settings("budget = \"8k\"").budget, Some(Tokens(8000)));
    }
}
