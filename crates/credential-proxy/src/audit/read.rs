//! Reads the trail: who used what, when each credential was last used, and whether anybody
//! tampered with it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use chrono::DateTime;
use common::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::{Key, read_head};
use super::{Decision, Place};
use crate::error::Error;
use crate::home::{check_private, open_private};
use crate::secret::Secret;

/// A record as it was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) n: u64,
    pub(crate) at: String,
    pub(crate) token: Option<String>,
    pub(crate) service: String,
    pub(crate) username: String,
    pub(crate) mode: String,
    pub(crate) decision: String,
    pub(crate) uid: u32,
    pub(crate) pid: Option<u32>,
    pub(crate) exe: Option<String>,
    pub(crate) run_id: Option<String>,
    /// In the record of a gap: how many accesses are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<u64>,
    prev: String,
    hash: String,
}

impl Record {
    pub(crate) fn moment(&self) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(&self.at).map_or(0, |at| at.timestamp_millis()))
    }
}

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// So many records, all as they were written; so many accesses could not be written, as they say.
    Sound { n_records: u64, n_lost: u64 },
    /// The first thing that is wrong, in words.
    Tampered(String),
}

/// The hash of a line if it is record `n` of the chain behind `previous`.
pub(super) fn chained(line: &str, previous: &str, n: u64, key: &Key) -> Option<String> {
    checked(line.strip_suffix('\n')?, previous, n, key).map(|record| record.hash)
}

fn checked(line: &str, previous: &str, n: u64, key: &Key) -> Option<Record> {
    let record: Record = serde_json::from_str(line).ok()?;
    let covered = line.rfind(",\"hash\":\"").and_then(|at| line.get(..at))?;
    let hash = key.hash("record ", covered.as_bytes());
    (record.n == n && record.prev == previous && record.hash == hash).then_some(record)
}

/// Checks every record, the chain, and the head, and whether there is anything that keeps the next
/// record from being written.
pub(crate) fn verify(place: &Place, key: &Secret) -> Result<Verdict, Error> {
    let tampered = |text: String| Ok(Verdict::Tampered(text));
    let key = Key::new(key);
    if !check_private(&place.head())? {
        return tampered("the head is missing".to_owned());
    }
    let head_file = open_private(&place.head(), false)?;
    // A daemon may be writing: the head is read first, so that it is never ahead of the files.
    let Some(head) = read_head(&head_file) else {
        return tampered("the head is damaged".to_owned());
    };
    if key.mac_of(&head) != head.mac {
        return tampered("the head was changed".to_owned());
    }
    let failed = |source| Error::from(common::error::file("read", place.folder())(source));
    let mut files: Vec<_> =
        place.aside().map_err(failed)?.into_iter().map(|(_, path)| path).collect();
    // A file that is not ours alone is not written to.
    if check_private(&place.current())? {
        files.push(place.current());
    }
    let (mut n, mut hash) = (head.start_n, head.start_hash.clone());
    let mut is_anchored = n == head.n && hash == head.hash;
    let (mut n_lost, mut n_pending) = (0, head.n_lost);
    for path in files {
        for line in lines(&path).map_err(failed)? {
            let line = line.map_err(failed)?;
            let Some(record) = checked(&line, &hash, n + 1, &key) else {
                return tampered(what_is_wrong(&line, n + 1));
            };
            n += 1;
            n_lost += record.lost.unwrap_or_default();
            if record.lost.is_some() && n > head.n {
                // Written after the head was read.
                n_pending = 0;
            }
            hash = record.hash;
            if n == head.n {
                if hash != head.hash {
                    return tampered(format!("record {n} is not the one that the head knows"));
                }
                is_anchored = true;
            }
        }
    }
    if is_anchored && n_pending > 0 {
        return tampered(format!(
            "{} could not be written to it since its last record",
            accesses(n_pending)
        ));
    }
    if is_anchored {
        return Ok(Verdict::Sound { n_records: n - head.start_n, n_lost });
    }
    tampered(format!(
        "the end is cut off: {} of {} records are missing",
        head.n.saturating_sub(n),
        head.n
    ))
}

/// So many accesses, for people.
pub(crate) fn accesses(n_accesses: u64) -> String {
    if n_accesses == 1 { "1 access".to_owned() } else { format!("{n_accesses} accesses") }
}

fn what_is_wrong(line: &str, expected: u64) -> String {
    match serde_json::from_str::<Record>(line) {
        Ok(record) if record.n > expected => {
            format!("record {expected} was removed, the next one is {}", record.n)
        }
        Ok(record) if record.n < expected => {
            format!("record {} is there twice or out of order", record.n)
        }
        Ok(_) => format!("record {expected} was changed, or the one before it"),
        Err(_) => format!("record {expected} is no record"),
    }
}

fn lines(path: &Path) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    Ok(BufReader::new(File::open(path)?).lines())
}

/// Calls `look` for every record that can be read, the oldest first. How many lines are none.
pub(crate) fn each(place: &Place, mut look: impl FnMut(Record)) -> Result<u64, Error> {
    let failed = |source| Error::from(common::error::file("read", place.folder())(source));
    let mut files: Vec<_> = match place.aside() {
        Ok(files) => files.into_iter().map(|(_, path)| path).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(error)),
    };
    if place.current().exists() {
        files.push(place.current());
    }
    let mut n_others = 0;
    for path in files {
        for line in lines(&path).map_err(failed)? {
            match serde_json::from_str(&line.map_err(failed)?) {
                Ok(record) => look(record),
                Err(_) => n_others += 1,
            }
        }
    }
    Ok(n_others)
}

/// When each (service, username) was last given to somebody.
pub(crate) type Usage = BTreeMap<(String, String), Timestamp>;

#[derive(Serialize, Deserialize)]
struct Used {
    service: String,
    username: String,
    at: i64,
}

/// When each credential was last used, from the trail and from what was kept of removed files, and
/// when one that stayed was last called rejected.
pub(crate) fn history(place: &Place) -> Result<(Usage, Usage), Error> {
    let (mut used, mut rejected) = (kept(place), Usage::new());
    each(place, |record| {
        note(&mut used, &record);
        if record.decision == Decision::Kept.word() {
            let at = record.moment();
            rejected.insert((record.service, record.username), at);
        }
    })?;
    Ok((used, rejected))
}

fn note(usage: &mut Usage, record: &Record) {
    // A credential that was written, or whose names were looked at, was not used.
    let is_use = ["print", "inject", "helper", "direct"].contains(&record.mode.as_str());
    if record.decision == "allowed" && is_use {
        let at = usage
            .entry((record.service.clone(), record.username.clone()))
            .or_insert(Timestamp(i64::MIN));
        *at = (*at).max(record.moment());
    }
}

fn kept(place: &Place) -> Usage {
    let used: Vec<Used> = std::fs::read(place.usage())
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    used.into_iter().map(|one| ((one.service, one.username), Timestamp(one.at))).collect()
}

/// Keeps from a file that is about to be removed when each credential was last used.
pub(super) fn keep_usage(place: &Place, path: &Path) -> io::Result<()> {
    let mut usage = kept(place);
    for line in lines(path)? {
        if let Ok(record) = serde_json::from_str(&line?) {
            note(&mut usage, &record);
        }
    }
    let used: Vec<Used> = usage
        .into_iter()
        .map(|((service, username), at)| Used { service, username, at: at.0 })
        .collect();
    let bytes = serde_json::to_vec(&used)?;
    common::atomic::write(&place.usage(), &bytes, 0o600)
        .map_err(|error| io::Error::other(error.to_string()))
}

/// The hash of the last record of a file.
pub(super) fn last_hash(path: &Path) -> io::Result<String> {
    let mut last = None;
    for line in lines(path)? {
        last = Some(line?);
    }
    last.and_then(|line| serde_json::from_str::<Record>(&line).ok())
        .map(|record| record.hash)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// How many records the head knows.
#[cfg(test)]
pub(super) fn head(place: &Place) -> super::chain::Head {
    read_head(&File::open(place.head()).unwrap()).unwrap()
}
