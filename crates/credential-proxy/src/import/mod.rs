//! Reads the exports of browsers and password managers. Nothing is trimmed, guessed or lost.
//!
//! A reader turns a file into rows; [`plan`] says what each row means for a vault. A row that
//! cannot be taken is listed by its line, never dropped in silence.

mod archive;
mod bitwarden;
mod dotenv;
mod hermes;
pub(crate) mod plan;
mod table;

use std::path::Path;

use common::clock::Timestamp;

use crate::secret::Secret;

/// Whose export a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Chrome,
    Firefox,
    Safari,
    Bitwarden,
    OnePassword,
    KeePassXc,
    LastPass,
    Env,
    Hermes,
}

impl Format {
    const ALL: [Self; 9] = [
        Self::Chrome,
        Self::Firefox,
        Self::Safari,
        Self::Bitwarden,
        Self::OnePassword,
        Self::KeePassXc,
        Self::LastPass,
        Self::Env,
        Self::Hermes,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Chrome => "chrome",
            Self::Firefox => "firefox",
            Self::Safari => "safari",
            Self::Bitwarden => "bitwarden",
            Self::OnePassword => "1password",
            Self::KeePassXc => "keepassxc",
            Self::LastPass => "lastpass",
            Self::Env => "env",
            Self::Hermes => "hermes",
        }
    }

    /// Edge, Brave and the others of the family write what Chrome writes.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "edge" | "brave" | "chromium" | "opera" | "vivaldi" => Some(Self::Chrome),
            "onepassword" | "1pux" => Some(Self::OnePassword),
            "dotenv" => Some(Self::Env),
            "apple" => Some(Self::Safari),
            "keepass" => Some(Self::KeePassXc),
            word => Self::ALL.into_iter().find(|format| format.word() == word),
        }
    }
}

/// One login of an export.
pub(crate) struct Row {
    /// The line in the file, or the number of the item where a file has no lines.
    pub(crate) line: u64,
    pub(crate) name: String,
    pub(crate) urls: Vec<String>,
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) note: Secret,
    pub(crate) fields: Vec<(String, Secret)>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) updated_at: Option<Timestamp>,
    /// The name is the service, whatever the URL says: it is what scripts already ask for.
    pub(crate) is_named: bool,
}

impl Row {
    pub(crate) fn new(line: u64) -> Self {
        Self {
            line,
            name: String::new(),
            urls: Vec::new(),
            username: String::new(),
            password: Secret::default(),
            note: Secret::default(),
            fields: Vec::new(),
            created_at: None,
            updated_at: None,
            is_named: false,
        }
    }

    /// Adds a further field, if it holds anything.
    pub(crate) fn add_field(&mut self, name: &str, value: String) {
        let value = Secret::new(value);
        if value.is_empty() {
            return;
        }
        let taken = |name: &str, fields: &[(String, Secret)]| {
            crate::credential::BUILT_IN.contains(&name) || fields.iter().any(|(own, _)| own == name)
        };
        let base = if name.is_empty() { "field" } else { name };
        let mut unique = base.to_owned();
        let mut number = 2;
        while taken(&unique, &self.fields) {
            unique = format!("{base}-{number}");
            number += 1;
        }
        self.fields.push((unique, value));
    }
}

/// A row that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) line: u64,
    pub(crate) reason: &'static str,
    /// What the row is of, where its line is no line of a text; empty elsewhere.
    pub(crate) service: String,
}

impl Skipped {
    /// A row of a text.
    pub(crate) fn at(line: u64, reason: &'static str) -> Self {
        Self { line, reason, service: String::new() }
    }
}

/// What a file holds.
pub(crate) struct Export {
    pub(crate) format: Format,
    pub(crate) rows: Vec<Row>,
    pub(crate) skipped: Vec<Skipped>,
    /// What the file holds besides that a vault does not take, so that it must not be deleted.
    pub(crate) left: Option<&'static str>,
}

impl Export {
    fn new(format: Format) -> Self {
        Self { format, rows: Vec::new(), skipped: Vec::new(), left: None }
    }

    /// Takes a row, or lists it when it has no password.
    fn take(&mut self, row: Row) -> Result<(), ReadError> {
        if row.password.is_empty() {
            self.skipped.push(Skipped::at(row.line, "it has no password"));
        } else {
            self.rows.push(row);
        }
        self.check_size()
    }

    fn check_size(&self) -> Result<(), ReadError> {
        if self.rows.len() + self.skipped.len() > MAX_ROWS {
            return Err(ReadError::TooManyRows);
        }
        Ok(())
    }
}

/// The largest file that is read into memory.
pub(crate) const MAX_FILE: u64 = 64 * 1024 * 1024;

/// The most rows of one file; they are all in memory at once, because an import is one transaction.
const MAX_ROWS: usize = 250_000;

/// Why a file is not read. It never says what stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("it is encrypted; export it again without a password, and delete that file afterwards")]
    Encrypted,
    #[error("its first line is not the header of a known export")]
    UnknownHeader,
    #[error("it is not an export of {0}")]
    NotThisFormat(&'static str),
    #[error("the column {0} is there more than once")]
    ColumnTwice(&'static str),
    #[error("line {line} is not UTF-8 text")]
    NotText { line: u64 },
    #[error("the quote that opens in line {line} is never closed")]
    OpenQuote { line: u64 },
    #[error("it is empty")]
    Empty,
    #[error("it is larger than {} MiB, which no export of passwords is", MAX_FILE / 1024 / 1024)]
    TooLarge,
    #[error("it has more than {MAX_ROWS} rows")]
    TooManyRows,
    #[error("it is not valid JSON (line {line})")]
    Json { line: usize },
    #[error("the archive cannot be read: {0}")]
    Archive(&'static str),
    #[error("the store of the original cannot be read: {0}")]
    Hermes(String),
}

/// Whether a path is the store of the Python original.
pub(crate) use hermes::is_store as is_hermes;
/// Reads a store that is a database with its key beside it, not a file of rows.
pub(crate) use hermes::read as read_hermes;

/// How every zip archive begins.
pub(crate) const ARCHIVE: &[u8] = b"PK\x03\x04";

/// Reads an archive without taking more of it into memory than the one member that matters.
pub(crate) fn read_archive(
    file: impl std::io::Read + std::io::Seek,
    format: Option<Format>,
) -> Result<Export, ReadError> {
    expect(format, Format::OnePassword).and_then(|()| archive::read(file))
}

/// Reads an export of the named format, or of the one that its first bytes show.
pub(crate) fn read(bytes: &[u8], format: Option<Format>, path: &Path) -> Result<Export, ReadError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    let Some(first) = first else { return Err(ReadError::Empty) };
    if bytes.starts_with(ARCHIVE) {
        return read_archive(std::io::Cursor::new(bytes), format);
    }
    if *first == b'{' && format != Some(Format::Env) {
        return expect(format, Format::Bitwarden).and_then(|()| bitwarden::read(bytes));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(ReadError::NotText { line: 1 });
    }
    match format {
        Some(Format::Env) => dotenv::read(bytes),
        Some(format) => table::read(bytes, Some(format)),
        None => match table::read(bytes, None) {
            Err(ReadError::UnknownHeader) if dotenv::looks_like(bytes, path) => dotenv::read(bytes),
            other => other,
        },
    }
}

fn expect(named: Option<Format>, found: Format) -> Result<(), ReadError> {
    match named {
        Some(named) if named != found => Err(ReadError::NotThisFormat(named.word())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
