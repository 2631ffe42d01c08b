//! How a record and the head are written, and the keyed hashes that bind them.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Access, Decision};
use crate::protocol::push_string;
use crate::secret::Secret;

/// The head is written over in place, so it always has this size.
const HEAD_SIZE: usize = 512;

/// The hash before the first record.
pub(super) const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The end of the chain, and its beginning where old files were removed.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Head {
    /// How many records there are, those of removed files included.
    pub(super) n: u64,
    /// The hash of the last one.
    pub(super) hash: String,
    /// How long the current file is.
    pub(super) size: u64,
    /// How many records were in removed files, and the hash of the last of them.
    pub(super) start_n: u64,
    pub(super) start_hash: String,
    /// How many accesses could not be written since the last record.
    #[serde(default)]
    pub(super) n_lost: u64,
    pub(super) mac: String,
}

/// The hashes of the chain and its head.
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    pub(super) fn new(key: &Secret) -> Self {
        Self(Hmac::new_from_slice(key.expose().as_bytes()).expect("HMAC takes keys of any length"))
    }

    pub(super) fn hash(&self, kind: &str, text: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(kind.as_bytes());
        mac.update(text);
        hex(&mac.finalize().into_bytes())
    }

    pub(super) fn mac_of(&self, head: &Head) -> String {
        let mut text = format!("{} {} {} {}", head.n, head.hash, head.start_n, head.start_hash);
        if head.n_lost > 0 {
            let _ = write!(text, " {}", head.n_lost);
        }
        self.hash("head ", text.as_bytes())
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS.get(usize::from(digit)).copied().unwrap_or_default()));
        }
    }
    text
}

pub(super) fn written(head: &Head) -> Vec<u8> {
    // Numbers and hexadecimal text always become JSON.
    let mut bytes = serde_json::to_vec(head).unwrap_or_default();
    bytes.resize(HEAD_SIZE - 1, b' ');
    bytes.push(b'\n');
    bytes
}

pub(super) fn read_head(file: &File) -> Option<Head> {
    let mut bytes = vec![0; HEAD_SIZE];
    file.read_exact_at(&mut bytes, 0).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Everything of a record but its own hash and the end.
pub(super) fn format_access(
    line: &mut String,
    access: &Access<'_>,
    second: &str,
    n: u64,
    previous: &str,
) {
    let millis = access.at.0.rem_euclid(1000);
    let _ = write!(line, "{{\"n\":{n},\"at\":\"{second}.{millis:03}Z\",\"token\":");
    match access.token {
        Some(token) => push_string(line, token),
        None => line.push_str("null"),
    }
    for (key, value) in [
        ("service", access.service),
        ("username", access.username),
        ("mode", access.mode),
        ("decision", access.decision.word()),
    ] {
        let _ = write!(line, ",\"{key}\":");
        push_string(line, value);
    }
    let _ = write!(line, ",\"uid\":{},\"pid\":", access.uid);
    match access.pid {
        Some(pid) => {
            let _ = write!(line, "{pid}");
        }
        None => line.push_str("null"),
    }
    for (key, value) in [("exe", access.exe), ("run_id", access.run)] {
        let _ = write!(line, ",\"{key}\":");
        match value {
            Some(value) => push_string(line, value),
            None => line.push_str("null"),
        }
    }
    if let Decision::Lost(n_lost) = access.decision {
        let _ = write!(line, ",\"lost\":{n_lost}");
    }
    line.push_str(",\"prev\":\"");
    line.push_str(previous);
    line.push('"');
}
