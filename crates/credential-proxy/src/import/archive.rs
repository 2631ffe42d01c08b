//! 1Password's 1PUX: a zip archive of which one member, `export.data`, is read into memory.
//!
//! Nothing is ever extracted to a disk, and no other member is looked at.

use std::io::Read as _;

use serde::Deserialize;
use serde_json::Value;

use super::{Export, Format, ReadError, Row, Skipped};
use crate::secret::Secret;

/// The member that holds the items.
const MEMBER: &[u8] = b"export.data";

/// The largest member that is inflated; a small archive must not fill the memory.
const MAX_SIZE: u64 = 1 << 30;

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
pub(super) fn read(bytes: &[u8]) -> Result<Export, ReadError> {
    let json = zeroize::Zeroizing::new(member(bytes)?);
    let data: Data =
        serde_json::from_slice(&json).map_err(|error| ReadError::Json { line: error.line() })?;
    let mut export = Export { format: Format::OnePassword, rows: Vec::new(), skipped: Vec::new() };
    let mut line = 0;
    for folder in data.accounts.into_iter().flat_map(|account| account.vaults) {
        for item in folder.items {
            line += 1;
            let row = row(item, line, folder.attrs.name.as_deref());
            if row.password.is_empty() {
                export.skipped.push(Skipped { line, reason: "it has no password" });
            } else {
                export.rows.push(row);
            }
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
            _ => {}
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
            let Value::String(text) = value else { continue };
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

/// Finds the member through the central directory and inflates it.
fn member(zip: &[u8]) -> Result<Vec<u8>, ReadError> {
    let broken = ReadError::Archive("it is damaged");
    // The end record has a comment of at most 64 KiB behind it.
    let from = zip.len().saturating_sub(22 + 65_535);
    let tail = zip.get(from..).unwrap_or_default();
    let end = tail
        .windows(4)
        .rposition(|four| four == b"PK\x05\x06")
        .map(|at| from + at)
        .ok_or(broken.clone())?;
    let n_entries = number(zip, end + 10, 2).ok_or(broken.clone())?;
    let mut at = number(zip, end + 16, 4).ok_or(broken.clone())?;
    for _ in 0..n_entries {
        let header = zip
            .get(at..)
            .filter(|header| header.starts_with(b"PK\x01\x02"))
            .ok_or(broken.clone())?;
        let field = |offset, size| number(header, offset, size).ok_or(broken.clone());
        let (name_len, extra_len, comment_len) = (field(28, 2)?, field(30, 2)?, field(32, 2)?);
        if header.get(46..46 + name_len) == Some(MEMBER) {
            if field(8, 2)? & 1 == 1 {
                return Err(ReadError::Encrypted);
            }
            return inflate(zip, field(42, 4)?, field(20, 4)?, field(10, 2)?);
        }
        at += 46 + name_len + extra_len + comment_len;
    }
    Err(ReadError::Archive("it has no export.data, so it is not a 1PUX file"))
}

fn inflate(zip: &[u8], local: usize, size: usize, method: usize) -> Result<Vec<u8>, ReadError> {
    let broken = ReadError::Archive("it is damaged");
    let header = zip
        .get(local..)
        .filter(|header| header.starts_with(b"PK\x03\x04"))
        .ok_or(broken.clone())?;
    let name_len = number(header, 26, 2).ok_or(broken.clone())?;
    let extra_len = number(header, 28, 2).ok_or(broken.clone())?;
    let start = 30 + name_len + extra_len;
    let packed = header.get(start..start.saturating_add(size)).ok_or(broken.clone())?;
    match method {
        0 => Ok(packed.to_vec()),
        8 => {
            let mut data = Vec::new();
            flate2::read::DeflateDecoder::new(packed)
                .take(MAX_SIZE)
                .read_to_end(&mut data)
                .map_err(|_| broken)?;
            Ok(data)
        }
        _ => Err(ReadError::Archive("it is packed in an unknown way")),
    }
}

/// A little-endian number of `size` bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}
