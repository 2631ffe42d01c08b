//! Bitwarden's JSON export; an encrypted one is refused in words.

use std::collections::HashMap;

use chrono::DateTime;
use common::clock::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Export, Format, ReadError, Row, Skipped};
use crate::secret::Secret;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    encrypted: bool,
    #[serde(default)]
    folders: Vec<Folder>,
    #[serde(default)]
    collections: Vec<Folder>,
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Folder {
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: Option<String>,
    notes: Option<String>,
    folder_id: Option<String>,
    #[serde(default)]
    fields: Option<Vec<Field>>,
    login: Option<Login>,
    creation_date: Option<String>,
    revision_date: Option<String>,
}

#[derive(Deserialize)]
struct Field {
    name: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    #[serde(default)]
    uris: Option<Vec<Uri>>,
    username: Option<String>,
    password: Option<String>,
    totp: Option<String>,
    #[serde(default)]
    fido2_credentials: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Uri {
    uri: Option<String>,
}

/// Reads the export; items are numbered from 1, since the file has no lines of its own.
pub(super) fn read(bytes: &[u8]) -> Result<Export, ReadError> {
    let file: File =
        serde_json::from_slice(bytes).map_err(|error| ReadError::Json { line: error.line() })?;
    if file.encrypted {
        return Err(ReadError::Encrypted);
    }
    let Some(items) = file.items else { return Err(ReadError::NotThisFormat("bitwarden")) };
    let folders: HashMap<String, String> = file
        .folders
        .into_iter()
        .chain(file.collections)
        .filter_map(|folder| Some((folder.id?, folder.name?)))
        .collect();
    let mut export = Export::new(Format::Bitwarden);
    for (line, item) in (1..).zip(items) {
        let Some(login) = item.login else {
            export.skipped.push(Skipped::at(line, "it is no login"));
            export.check_size()?;
            continue;
        };
        if login.fido2_credentials.is_some_and(|keys| !keys.is_empty()) {
            export.left = Some("it holds passkeys, which a vault does not take");
        }
        let mut row = Row::new(line);
        row.name = item.name.unwrap_or_default();
        row.urls = login
            .uris
            .unwrap_or_default()
            .into_iter()
            .filter_map(|uri| uri.uri)
            .filter(|uri| !uri.is_empty())
            .collect();
        row.username = login.username.unwrap_or_default();
        row.password = Secret::new(login.password.unwrap_or_default());
        row.note = Secret::new(item.notes.unwrap_or_default());
        row.add_field("totp", login.totp.unwrap_or_default());
        for field in item.fields.unwrap_or_default() {
            row.add_field(&field.name.unwrap_or_default(), field.value.unwrap_or_default());
        }
        if let Some(folder) = item.folder_id.and_then(|id| folders.get(&id).cloned()) {
            row.add_field("group", folder);
        }
        row.created_at = item.creation_date.as_deref().and_then(moment);
        row.updated_at = item.revision_date.as_deref().and_then(moment);
        export.take(row)?;
    }
    Ok(export)
}

fn moment(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| Timestamp(at.timestamp_millis()))
}
