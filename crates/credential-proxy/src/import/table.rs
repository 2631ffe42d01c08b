//! Exports that are comma-separated tables, told apart by their header.
//!
//! Header names are compared without regard to capitals; cells are taken exactly as they are.

use chrono::DateTime;
use common::clock::Timestamp;
use csv::ByteRecord;

use super::{Export, Format, ReadError, Row, Skipped};
use crate::secret::Secret;

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    Url,
    Username,
    Password,
    Note,
    /// Bitwarden's cell of further fields, one `name: value` a line.
    Fields,
    /// Bitwarden's kind of an item.
    Kind,
    /// Milliseconds since 1970, as Firefox writes them.
    CreatedMillis,
    UpdatedMillis,
    /// A moment as KeePassXC writes it.
    CreatedText,
    UpdatedText,
    /// A further secret under this name.
    Field(&'static str),
    /// What a column holds that is known to no format: kept under the name of the column.
    Unknown,
    /// How a program shows or syncs a login: nothing that is lost with the file.
    Other,
}

impl Column {
    /// For a message: these columns must not be there twice.
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Name => Some("name"),
            Self::Url => Some("url"),
            Self::Username => Some("username"),
            Self::Password => Some("password"),
            Self::Note => Some("note"),
            Self::Fields => Some("fields"),
            Self::Kind => Some("type"),
            Self::Field(name) => Some(name),
            Self::CreatedMillis
            | Self::UpdatedMillis
            | Self::CreatedText
            | Self::UpdatedText
            | Self::Unknown
            | Self::Other => None,
        }
    }
}

/// The formats with the columns that only they have, the most telling first.
fn detect(header: &[String]) -> Option<Format> {
    let has = |names: &[&str]| names.iter().all(|name| header.iter().any(|own| own == name));
    let has_any = |names: &[&str]| names.iter().any(|name| header.iter().any(|own| own == name));
    if has(&["login_password", "login_username"]) {
        Some(Format::Bitwarden)
    } else if has(&["url", "username", "password", "guid"])
        || has(&["url", "username", "password", "formactionorigin"])
    {
        Some(Format::Firefox)
    } else if has(&["group", "title", "username", "password"]) {
        Some(Format::KeePassXc)
    } else if has(&["url", "username", "password", "name"])
        && has_any(&["extra", "grouping", "fav"])
    {
        Some(Format::LastPass)
    } else if has(&["title", "username", "password"])
        && has_any(&["favorite", "archived", "tags", "website", "urls"])
    {
        Some(Format::OnePassword)
    } else if has(&["title", "username", "password"])
        && header.first().is_some_and(|first| first == "title")
        && header.last().is_some_and(|last| last == "url")
    {
        // The older 1Password export: title, notes, username, password, url.
        Some(Format::OnePassword)
    } else if has(&["title", "url", "username", "password"]) {
        Some(Format::Safari)
    } else if has(&["name", "url", "username", "password"])
        || has(&["origin_url", "username_value", "password_value"])
    {
        Some(Format::Chrome)
    } else {
        None
    }
}

fn column(name: &str, format: Format) -> Column {
    match name {
        "name" | "title" => Column::Name,
        "url" | "origin_url" | "login_uri" | "website" | "urls" => Column::Url,
        "username" | "username_value" | "login_username" => Column::Username,
        "password" | "password_value" | "login_password" => Column::Password,
        "note" | "notes" | "extra" => Column::Note,
        "totp" | "otpauth" | "login_totp" | "one-time password" | "otp" => Column::Field("totp"),
        "fields" if format == Format::Bitwarden => Column::Fields,
        "type" if format == Format::Bitwarden => Column::Kind,
        "group" | "grouping" | "folder" | "collections" => Column::Field("group"),
        "tags" => Column::Field("tags"),
        "httprealm" => Column::Field("realm"),
        "timecreated" => Column::CreatedMillis,
        "timepasswordchanged" => Column::UpdatedMillis,
        "created" if format == Format::KeePassXc => Column::CreatedText,
        "last modified" if format == Format::KeePassXc => Column::UpdatedText,
        "favorite" | "fav" | "reprompt" | "icon" | "guid" | "formactionorigin" | "timelastused" => {
            Column::Other
        }
        "archived" => Column::Field("archived"),
        _ => Column::Unknown,
    }
}

/// Reads a table; `named` is the format that the user named.
pub(super) fn read(bytes: &[u8], named: Option<Format>) -> Result<Export, ReadError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(1 << 16)
        .from_reader(bytes);
    let mut record = ByteRecord::new();
    let header = loop {
        if !read_record(&mut reader, &mut record)? {
            return Err(ReadError::Empty);
        }
        let cells: Vec<String> = record
            .iter()
            .map(|cell| String::from_utf8_lossy(cell).trim().to_ascii_lowercase())
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            break cells;
        }
    };
    let format = match (detect(&header), named) {
        (Some(found), Some(named)) if found != named && !is_compatible(found, named) => {
            return Err(ReadError::NotThisFormat(named.word()));
        }
        (Some(_), Some(named)) => named,
        (Some(found), None) => found,
        (None, Some(named)) => return Err(ReadError::NotThisFormat(named.word())),
        (None, None) => return Err(ReadError::UnknownHeader),
    };
    let columns: Vec<Column> = header.iter().map(|name| column(name, format)).collect();
    for (place, one) in columns.iter().enumerate() {
        if let Some(name) = one.name()
            && columns.iter().skip(place + 1).any(|other| other == one)
        {
            return Err(ReadError::ColumnTwice(name));
        }
    }
    let mut export = Export::new(format);
    let (mut last_start, mut last_line) = (0, 1);
    let mut lines = Lines { bytes, at: 0, line: 1 };
    while read_record(&mut reader, &mut record)? {
        last_start = record.position().map_or(0, csv::Position::byte);
        let line = lines.of(last_start);
        last_line = line;
        match row(&record, &columns, &header, line)? {
            Ok(row) => export.rows.push(row),
            Err(Some(reason)) => export.skipped.push(Skipped::at(line, reason)),
            Err(None) => {}
        }
        export.check_size()?;
    }
    check_last_quote(bytes, last_start, last_line)?;
    Ok(export)
}

/// Counts lines as an editor does, also where a cell has several.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that begins at or behind this byte; ends of lines before it are skipped.
    fn of(&mut self, byte: u64) -> u64 {
        let start = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(here) = self.bytes.get(self.at)
            && (self.at < start || matches!(here, b'\r' | b'\n'))
        {
            self.line += u64::from(*here == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// 1Password, Safari and Chrome differ by little, and people convert one to the other.
fn is_compatible(found: Format, named: Format) -> bool {
    let plain = [Format::Chrome, Format::Safari, Format::OnePassword];
    plain.contains(&found)
        && plain.contains(&named)
        && found != Format::Chrome
        && named != Format::Chrome
}

fn read_record(
    reader: &mut csv::Reader<&[u8]>,
    record: &mut ByteRecord,
) -> Result<bool, ReadError> {
    let line = reader.position().line();
    reader.read_byte_record(record).map_err(|_| ReadError::NotText { line })
}

/// A quote that is never closed would swallow the rest of the file into one cell.
fn check_last_quote(bytes: &[u8], last_start: u64, line: u64) -> Result<(), ReadError> {
    let start = usize::try_from(last_start).unwrap_or(usize::MAX);
    let Some(tail) = bytes.get(start..) else { return Ok(()) };
    let n_quotes = tail.iter().fold(0_usize, |n, byte| n + usize::from(*byte == b'"'));
    let opens = tail.starts_with(b"\"") || tail.windows(2).any(|pair| pair == b",\"");
    if n_quotes % 2 == 1 && opens {
        return Err(ReadError::OpenQuote { line });
    }
    Ok(())
}

/// One record: a row, a reason to skip it, or nothing at all (an empty line).
fn row(
    record: &ByteRecord,
    columns: &[Column],
    header: &[String],
    line: u64,
) -> Result<Result<Row, Option<&'static str>>, ReadError> {
    if record.iter().all(<[u8]>::is_empty) {
        return Ok(Err(None));
    }
    if record.len() < columns.len() {
        return Ok(Err(Some("it has fewer columns than the header")));
    }
    if record.iter().skip(columns.len()).any(|cell| !cell.is_empty()) {
        return Ok(Err(Some("it has more columns than the header")));
    }
    let mut row = Row::new(line);
    let mut is_login = true;
    for ((cell, column), name) in record.iter().zip(columns).zip(header) {
        let Ok(text) = std::str::from_utf8(cell) else { return Err(ReadError::NotText { line }) };
        match column {
            Column::Name => text.clone_into(&mut row.name),
            Column::Url => row.urls = urls(text),
            Column::Username => text.clone_into(&mut row.username),
            Column::Password => row.password = Secret::new(text),
            Column::Note => row.note = Secret::new(text),
            Column::Fields => add_fields(&mut row, text),
            Column::Kind => is_login = text.is_empty() || text == "login",
            Column::CreatedMillis => row.created_at = text.parse().ok().map(Timestamp),
            Column::UpdatedMillis => row.updated_at = text.parse().ok().map(Timestamp),
            Column::CreatedText => row.created_at = moment(text),
            Column::UpdatedText => row.updated_at = moment(text),
            // Every row says "false" here, and only the other answer says something.
            Column::Field("archived") if text.eq_ignore_ascii_case("false") => {}
            Column::Field(name) => row.add_field(name, text.to_owned()),
            Column::Unknown => row.add_field(name, text.to_owned()),
            Column::Other => {}
        }
    }
    if row.password.is_empty() {
        return Ok(Err(Some(if is_login {
            "it has no password"
        } else {
            "it is a note without a password"
        })));
    }
    Ok(Ok(row))
}

/// Bitwarden puts several addresses into one cell, with commas between them.
fn urls(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split(',').collect();
    let is_list = parts.len() > 1 && parts.iter().all(|part| part.contains("://"));
    let list = if is_list { parts } else { vec![text] };
    list.into_iter().map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect()
}

fn add_fields(row: &mut Row, text: &str) {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match line.split_once(": ") {
            Some((name, value)) => fields.push((name.to_owned(), value.to_owned())),
            // A value of several lines goes on here.
            None => match fields.last_mut() {
                Some((_, value)) => {
                    value.push('\n');
                    value.push_str(line);
                }
                None => fields.push(("field".to_owned(), line.to_owned())),
            },
        }
    }
    for (name, value) in fields {
        row.add_field(&name, value);
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| Timestamp(at.timestamp_millis()))
}
