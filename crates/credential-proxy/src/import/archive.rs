//! 1Password's 1PUX: a zip archive of which one member, `export.data`, is read into memory.
//!
//! Nothing is ever extracted to a disk, and no other member is looked at.

use std::io::{Read, Seek, SeekFrom};

use serde::Deserialize;
use serde_json::Value;

use super::{Export, Format, MAX_FILE, ReadError, Row};
use crate::secret::Secret;

/// The member that holds the items.
const MEMBER: &[u8] = b"export.data";

/// The largest central directory that is read: about a hundred thousand attached files.
const MAX_DIRECTORY: u64 = 16 * 1024 * 1024;

#[derive(Deserialize)]
struct Data {
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    vaults: Vec<Folder>,
}

#[derive(Deserialize)]
struct Folder {
    #[serde(default)]
    attrs: Attributes,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize, Default)]
struct Attributes {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    state: Option<String>,
    created_at: Option<i64>,
    updated_at: Option<i64>,
    #[serde(default)]
    overview: Overview,
    #[serde(default)]
    details: Details,
}

#[derive(Deserialize, Default)]
struct Overview {
    title: Option<String>,
    url: Option<String>,
    urls: Option<Vec<Address>>,
}

#[derive(Deserialize)]
struct Address {
    url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(default)]
    login_fields: Option<Vec<LoginField>>,
    password: Option<String>,
    notes_plain: Option<String>,
    #[serde(default)]
    sections: Option<Vec<Section>>,
}

#[derive(Deserialize)]
struct LoginField {
    designation: Option<String>,
    #[serde(default)]
    name: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Section {
    #[serde(default)]
    fields: Option<Vec<SectionField>>,
}

#[derive(Deserialize)]
struct SectionField {
    title: Option<String>,
    value: Option<Value>,
}

/// Reads the archive; items are numbered from 1.
pub(super) fn read(mut zip: impl Read + Seek) -> Result<Export, ReadError> {
    let directory = Directory::read(&mut zip)?;
    let json = zeroize::Zeroizing::new(directory.member.inflate(&mut zip)?);
    let data: Data =
        serde_json::from_slice(&json).map_err(|error| ReadError::Json { line: error.line() })?;
    let mut export = Export::new(Format::OnePassword);
    if directory.has_attachments {
        export.left = Some("it holds attached files, which a vault does not take");
    }
    let mut line = 0;
    for folder in data.accounts.into_iter().flat_map(|account| account.vaults) {
        for item in folder.items {
            line += 1;
            export.take(row(item, line, folder.attrs.name.as_deref()))?;
        }
    }
    Ok(export)
}

fn row(item: Item, line: u64, folder: Option<&str>) -> Row {
    let mut row = Row::new(line);
    row.name = item.overview.title.unwrap_or_default();
    let more = item.overview.urls.unwrap_or_default().into_iter().filter_map(|address| address.url);
    for url in item.overview.url.into_iter().chain(more) {
        if !url.is_empty() && !row.urls.contains(&url) {
            row.urls.push(url);
        }
    }
    for field in item.details.login_fields.unwrap_or_default() {
        let value = field.value.unwrap_or_default();
        match field.designation.as_deref() {
            Some("username") => row.username = value,
            Some("password") => row.password = Secret::new(value),
            // Whatever else stood in the form of the page.
            _ => row.add_field(&field.name.unwrap_or_default(), value),
        }
    }
    if let Some(password) = item.details.password
        && row.password.is_empty()
    {
        row.password = Secret::new(password);
    }
    row.note = Secret::new(item.details.notes_plain.unwrap_or_default());
    for field in item
        .details
        .sections
        .unwrap_or_default()
        .into_iter()
        .flat_map(|section| section.fields.unwrap_or_default())
    {
        // A value is an object with one key, the kind: {"totp": "…"}, {"concealed": "…"}.
        let Some(Value::Object(value)) = field.value else { continue };
        for (kind, value) in value {
            let text = match value {
                Value::String(text) => text,
                Value::Null => continue,
                // A key pair, an address, a date: kept as it was written.
                other => other.to_string(),
            };
            let title = field.title.clone().filter(|title| !title.is_empty());
            let name = if kind == "totp" { "totp".to_owned() } else { title.unwrap_or(kind) };
            row.add_field(&name, text);
        }
    }
    if item.state.as_deref() == Some("archived") {
        row.add_field("state", "archived".to_owned());
    }
    row.add_field("group", folder.unwrap_or_default().to_owned());
    let moment = |seconds: i64| common::clock::Timestamp(seconds.saturating_mul(1000));
    row.created_at = item.created_at.map(moment);
    row.updated_at = item.updated_at.map(moment);
    row
}

const BROKEN: ReadError = ReadError::Archive("it is damaged");

/// What the central directory says.
struct Directory {
    member: Member,
    has_attachments: bool,
}

impl Directory {
    fn read(zip: &mut (impl Read + Seek)) -> Result<Self, ReadError> {
        // The end record has a comment of at most 64 KiB behind it.
        let size = zip.seek(SeekFrom::End(0)).map_err(|_| BROKEN)?;
        let tail = piece(zip, size.saturating_sub(22 + 65_535), 22 + 65_535)?;
        let end = tail.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or(BROKEN)?;
        let n_entries = number(&tail, end + 10, 2).ok_or(BROKEN)?;
        let start = number(&tail, end + 16, 4).ok_or(BROKEN)?;
        let directory = piece(zip, start as u64, MAX_DIRECTORY)?;
        let mut at = 0;
        let (mut member, mut has_attachments) = (None, false);
        for _ in 0..n_entries {
            let header = directory
                .get(at..)
                .filter(|header| header.starts_with(b"PK\x01\x02"))
                .ok_or(BROKEN)?;
            let field = |offset, size| number(header, offset, size).ok_or(BROKEN);
            let (name_len, extra_len, comment_len) = (field(28, 2)?, field(30, 2)?, field(32, 2)?);
            let name = header.get(46..46 + name_len).ok_or(BROKEN)?;
            if name == MEMBER && member.is_none() {
                if field(8, 2)? & 1 == 1 {
                    return Err(ReadError::Encrypted);
                }
                member = Some(Member {
                    header: field(42, 4)? as u64,
                    size: field(20, 4)? as u64,
                    method: field(10, 2)?,
                });
            }
            has_attachments |= name.starts_with(b"files/") && name != b"files/";
            at += 46 + name_len + extra_len + comment_len;
        }
        let member =
            member.ok_or(ReadError::Archive("it has no export.data, so it is not a 1PUX file"))?;
        Ok(Self { member, has_attachments })
    }
}

/// Where the one member that matters is, and how it is packed.
struct Member {
    header: u64,
    size: u64,
    method: usize,
}

impl Member {
    fn inflate(&self, zip: &mut (impl Read + Seek)) -> Result<Vec<u8>, ReadError> {
        let header = piece(zip, self.header, 30)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(BROKEN);
        }
        let name_len = number(&header, 26, 2).ok_or(BROKEN)?;
        let extra_len = number(&header, 28, 2).ok_or(BROKEN)?;
        zip.seek(SeekFrom::Start(self.header + 30 + (name_len + extra_len) as u64))
            .map_err(|_| BROKEN)?;
        let packed = zip.take(self.size);
        let mut data = Vec::new();
        // One byte more than is allowed tells that there is more: a small archive must not fill the memory.
        match self.method {
            0 => packed.take(MAX_FILE + 1).read_to_end(&mut data),
            8 => {
                flate2::read::DeflateDecoder::new(packed).take(MAX_FILE + 1).read_to_end(&mut data)
            }
            _ => return Err(ReadError::Archive("it is packed in an unknown way")),
        }
        .map_err(|_| BROKEN)?;
        if data.len() as u64 > MAX_FILE {
            return Err(ReadError::TooLarge);
        }
        Ok(data)
    }
}

/// At most `len` bytes from a place in the file.
fn piece(zip: &mut (impl Read + Seek), start: u64, len: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    zip.seek(SeekFrom::Start(start)).map_err(|_| BROKEN)?;
    zip.take(len).read_to_end(&mut bytes).map_err(|_| BROKEN)?;
    Ok(bytes)
}

/// A little-endian number of `size` bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}
