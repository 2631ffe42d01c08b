//! Settings files: `.context-pack.toml` of the tree and `config.toml` of the user.
//!
//! A file can say whatever a flag can say about the choice and the budget, but it cannot bring in a
//! secret: a tree must not decide that its reader's keys are packed.

use std::path::{Path, PathBuf};

use common::error::file;
use serde::Deserialize;

use crate::Error;
use crate::request::{Format, Margin, Model, Tokens};

/// What a settings file can say; an unknown key is a mistake.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    pub(crate) budget: Option<BudgetText>,
    pub(crate) tokenizer: Option<String>,
    pub(crate) model: Option<Model>,
    pub(crate) margin: Option<String>,
    pub(crate) max_file: Option<BudgetText>,
    pub(crate) format: Option<Format>,
    pub(crate) line_numbers: Option<bool>,
    pub(crate) outline: Option<bool>,
    pub(crate) diff: Option<bool>,
    pub(crate) log: Option<usize>,
    #[serde(default)]
    pub(crate) include: Vec<String>,
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    #[serde(default)]
    pub(crate) pin: Vec<String>,
    #[serde(default)]
    pub(crate) focus: Vec<String>,
}

/// A number of tokens as a number or as text: `32000`, `"32k"`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum BudgetText {
    /// A plain number.
    Number(usize),
    /// A number as on the command line.
    Text(String),
}

/// The file in a tree.
pub(crate) const IN_TREE: &str = ".context-pack.toml";

/// The file of the user, under the home directory.
pub(crate) const IN_HOME: &str = ".config/context-pack/config.toml";

/// What `context-pack init` writes.
pub(crate) const TEMPLATE: &str = include_str!("settings.toml");

impl Settings {
    /// Reads a file that must be there.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(file("read the settings", path))?;
        Self::parse(&text, path)
    }

    /// Reads a file that may be absent.
    pub(crate) fn read_if_there(path: &Path) -> Result<Self, Error> {
        if path.is_file() { Self::read(path) } else { Ok(Self::default()) }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            Error::Settings { path: path.to_path_buf(), line, said: error.message().to_owned() }
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

    /// The margin, checked.
    pub(crate) fn margin(&self, path: &Path) -> Result<Option<Margin>, Error> {
        let parse = |text: &String| {
            text.parse().map_err(|error: crate::request::MarginError| wrong(path, &error))
        };
        self.margin.as_ref().map(parse).transpose()
    }
}

impl BudgetText {
    /// The number, checked.
    pub(crate) fn tokens(&self, path: &Path) -> Result<Tokens, Error> {
        match self {
            Self::Number(number) => Ok(Tokens(*number)),
            Self::Text(text) => {
                text.parse().map_err(|error: crate::request::TokensError| wrong(path, &error))
            }
        }
    }
}

/// A value that has the right type and the wrong content.
pub(crate) fn wrong(path: &Path, error: &dyn std::error::Error) -> Error {
    Error::Settings { path: PathBuf::from(path), line: 0, said: error.to_string() }
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
    fn a_typo_is_an_error_that_names_the_line() {
        let error = Settings::parse("budget = 1\nexlude = []\n", Path::new("f.toml")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("f.toml") && text.contains("line 2") && text.contains("exlude"),
            "{text}"
        );
    }
}
