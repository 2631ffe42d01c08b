//! The audit trail: one JSON line an access, chained by keyed hashes, its head anchored.
//!
//! A record names the credential, the token, the mode, the decision and the caller; never a value,
//! nor its length. Accesses that could not be written are counted, and the next record tells. Each carries the hash of the one before and its own; the head, in a file of its
//! own under the same key, says how many there are, so that a cut tail is noticed. The
//! writer holds a lock: the daemon while it runs, else the command that opens the vault itself.

mod chain;
pub(crate) mod read;
mod trail;

use std::io;
use std::path::{Path, PathBuf};

use common::clock::Timestamp;

pub(crate) use self::trail::Trail;

/// What was decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    Denied,
    NotFound,
    Ambiguous,
    Locked,
    /// git said that it was rejected; it stays, because git did not store it.
    Kept,
    /// So many accesses before this record are in none.
    Lost(u64),
}

impl Decision {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Ambiguous => "ambiguous",
            Self::Locked => "locked",
            Self::Kept => "kept",
            Self::Lost(_) => "lost",
        }
    }

    /// What a command may tell the daemon to record.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Allowed, Self::Denied, Self::NotFound, Self::Ambiguous, Self::Kept]
            .into_iter()
            .find(|decision| decision.word() == word)
    }
}

/// What a command did that opened the vault itself: the mode of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A secret was read without the daemon.
    Direct,
    Add,
    Edit,
    Rename,
    Delete,
    Import,
    Store,
    Erase,
    TokenCreate,
    TokenRevoke,
    RotateKey,
    Backup,
}

impl Deed {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Add => "add",
            Self::Edit => "edit",
            Self::Rename => "rename",
            Self::Delete => "delete",
            Self::Import => "import",
            Self::Store => "store",
            Self::Erase => "erase",
            Self::TokenCreate => "token-create",
            Self::TokenRevoke => "token-revoke",
            Self::RotateKey => "rotate-key",
            Self::Backup => "backup",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        use Deed::{
            Add, Backup, Delete, Direct, Edit, Erase, Import, Rename, RotateKey, Store,
            TokenCreate, TokenRevoke,
        };
        [
            Direct,
            Add,
            Edit,
            Rename,
            Delete,
            Import,
            Store,
            Erase,
            TokenCreate,
            TokenRevoke,
            RotateKey,
            Backup,
        ]
        .into_iter()
        .find(|deed| deed.word() == word)
    }
}

/// One access, before it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) at: Timestamp,
    pub(crate) token: Option<&'a str>,
    pub(crate) service: &'a str,
    pub(crate) username: &'a str,
    pub(crate) mode: &'a str,
    pub(crate) decision: Decision,
    pub(crate) uid: u32,
    pub(crate) pid: Option<u32>,
    pub(crate) exe: Option<&'a str>,
    pub(crate) run: Option<&'a str>,
}

/// Where the files of the trail are.
#[derive(Debug, Clone)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// Trails that were found damaged and put aside.
    pub(crate) fn damaged(&self) -> Vec<PathBuf> {
        let prefix =
            format!("{}.damaged-", self.0.file_name().unwrap_or_default().to_string_lossy());
        let entries = self.0.parent().and_then(|parent| std::fs::read_dir(parent).ok());
        let mut found: Vec<PathBuf> = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
            })
            .collect();
        found.sort();
        found
    }

    fn head(&self) -> PathBuf {
        self.0.join("head")
    }

    fn current(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }

    fn usage(&self) -> PathBuf {
        self.0.join("usage.json")
    }

    /// The files that were put aside, the oldest first. Each is named by the number of its last record.
    fn aside(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let path = entry?.path();
            let number = path.file_name().and_then(|name| {
                name.to_str()?.strip_prefix("audit.")?.strip_suffix(".jsonl")?.parse().ok()
            });
            if let Some(number) = number {
                files.push((number, path));
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

#[cfg(test)]
mod tests;
