//! The audit trail: one JSON line an access, chained by keyed hashes, its head anchored.
//!
//! A record names the credential, the token, the mode, the decision and the caller; never a value,
//! nor its length. Each carries the hash of the one before and its own; the head, in a file of its
//! own under the same key, says how many there are, so that a cut tail is noticed. The
//! writer holds a lock: the daemon while it runs, else the command that opens the vault itself.

pub(crate) mod read;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use common::clock::Timestamp;
use common::place;
use hmac::{Hmac, Mac as _};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::error::Error;
use crate::home::open_private;
use crate::protocol::push_string;
use crate::secret::Secret;

/// A file that has grown beyond this is put aside.
const MAX_FILE: u64 = 8 * 1024 * 1024;

/// How many files that were put aside are kept.
const KEPT_FILES: usize = 8;

/// The head is written over in place, so it always has this size.
const HEAD_SIZE: usize = 512;

/// The hash before the first record.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What was decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Allowed,
    Denied,
    NotFound,
    Ambiguous,
    Locked,
}

impl Decision {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::NotFound => "not_found",
            Self::Ambiguous => "ambiguous",
            Self::Locked => "locked",
        }
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

/// The end of the chain, and its beginning where old files were removed.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
struct Head {
    /// How many records there are, those of removed files included.
    n: u64,
    /// The hash of the last one.
    hash: String,
    /// How long the current file is.
    size: u64,
    /// How many records were in removed files, and the hash of the last of them.
    start_n: u64,
    start_hash: String,
    mac: String,
}

/// The hashes of the chain and its head.
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    pub(crate) fn new(key: &Secret) -> Self {
        Self(Hmac::new_from_slice(key.expose().as_bytes()).expect("HMAC takes keys of any length"))
    }

    fn hash(&self, kind: &str, text: &[u8]) -> String {
        let mut mac = self.0.clone();
        mac.update(kind.as_bytes());
        mac.update(text);
        hex(&mac.finalize().into_bytes())
    }

    fn mac_of(&self, head: &Head) -> String {
        let text = format!("{} {} {} {}", head.n, head.hash, head.start_n, head.start_hash);
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

/// The one writer of a trail.
pub(crate) struct Trail {
    place: Place,
    key: Key,
    head_file: File,
    current: File,
    head: Head,
    line: String,
    is_settled: bool,
    /// The second of the last record and its text: a calendar costs more than a record.
    second: (i64, String),
}

impl Drop for Trail {
    fn drop(&mut self) {
        // The head that stays behind then is proved by the records, as after a kill.
        let _ = self.settle();
    }
}

impl Trail {
    /// Creates the empty trail of a new vault; an existing one is left as it is.
    pub(crate) fn create(place: &Place, key: &Secret) -> Result<(), Error> {
        place::private_dir(place.folder())?;
        if place.head().symlink_metadata().is_ok() {
            return Ok(());
        }
        let key = Key::new(key);
        let mut head = Head {
            n: 0,
            hash: NO_HASH.to_owned(),
            size: 0,
            start_n: 0,
            start_hash: NO_HASH.to_owned(),
            mac: String::new(),
        };
        head.mac = key.mac_of(&head);
        match crate::key::write_new(&place.head(), &written(&head)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(common::error::file("create", place.head())(error).into())
            }
            _ => Ok(()),
        }
    }

    /// Opens the trail for writing, and begins a new one when the old one is damaged: the old files
    /// are put aside beside it, where [`Place::damaged`] finds them. `None` when another process is its writer.
    pub(crate) fn open_or_begin(
        place: &Place,
        key: &Secret,
        now: Timestamp,
    ) -> Result<Option<Self>, Error> {
        match Self::open(place, key) {
            Err(Error::Audit { .. }) => {
                let mut aside = place.0.as_os_str().to_owned();
                aside.push(format!(".damaged-{}", now.0));
                let aside = PathBuf::from(aside);
                match std::fs::rename(place.folder(), &aside) {
                    // Nothing is left of it; an empty directory keeps the memory.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        place::private_dir(&aside)?;
                    }
                    Err(error) => {
                        return Err(common::error::file("put aside", place.folder())(error).into());
                    }
                    Ok(()) => {}
                }
                Self::create(place, key)?;
                Self::open(place, key)
            }
            other => other,
        }
    }

    /// Opens the trail for writing; `None` when another process is its writer.
    pub(crate) fn open(place: &Place, key: &Secret) -> Result<Option<Self>, Error> {
        let broken = |problem: &str| Error::Audit {
            path: place.folder().to_path_buf(),
            problem: problem.to_owned(),
        };
        let head_file = match place.head().symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(broken("its head is missing"));
            }
            _ => open_private(&place.head(), true)?,
        };
        if rustix::fs::flock(&head_file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        let key = Key::new(key);
        let head = read_head(&head_file).ok_or_else(|| broken("its head is damaged"))?;
        if key.mac_of(&head) != head.mac {
            return Err(broken("its head was changed"));
        }
        let current = open_current(place)?;
        let mut trail = Self {
            place: place.clone(),
            key,
            head_file,
            current,
            head,
            line: String::new(),
            is_settled: true,
            second: (i64::MIN, String::new()),
        };
        trail.recover().map_err(common::error::file("read", place.current()))?;
        Ok(Some(trail))
    }

    /// Takes in what a killed writer wrote behind the head: whole records of the chain stay, half
    /// a line goes.
    fn recover(&mut self) -> io::Result<()> {
        let len = self.current.metadata()?.len();
        if len < self.head.size {
            // A cut file; `verify` tells. The chain goes on from the anchored head.
            self.head.size = len;
            return Ok(());
        }
        let mut tail = String::new();
        self.current.seek(SeekFrom::Start(self.head.size))?;
        if (&self.current).take(1 << 20).read_to_string(&mut tail).is_err() {
            return Ok(());
        }
        let mut n_taken = 0;
        for line in tail.split_inclusive('\n') {
            let Some(hash) = read::chained(line, &self.head.hash, self.head.n + 1, &self.key)
            else {
                break;
            };
            self.head.n += 1;
            self.head.hash = hash;
            n_taken += line.len();
        }
        self.head.size += n_taken as u64;
        let rest = tail.get(n_taken..).unwrap_or_default();
        if !rest.is_empty() && !rest.contains('\n') {
            self.current.set_len(self.head.size)?;
        }
        self.save_head()
    }

    /// Writes one record. What was written survives a kill of this process.
    pub(crate) fn write(&mut self, access: &Access<'_>) -> io::Result<()> {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        self.note_second(access.at);
        format_access(&mut line, access, &self.second.1, self.head.n + 1, &self.head.hash);
        let hash = self.key.hash("record ", line.as_bytes());
        // The hash covers everything before it.
        line.push_str(",\"hash\":\"");
        line.push_str(&hash);
        line.push_str("\"}\n");
        let result = self.current.write_all(line.as_bytes());
        let len = line.len() as u64;
        self.line = line;
        if let Err(error) = result {
            // Half a record, as on a full disk, must not stand before the next whole one.
            let _ = self.current.set_len(self.head.size);
            return Err(error);
        }
        self.head.n += 1;
        self.head.hash = hash;
        self.head.size += len;
        self.is_settled = false;
        Ok(())
    }

    /// Anchors what was written. Until then a killed process leaves records behind the head, which
    /// their own hashes prove; so this may come after the answer that a record is about.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        if self.is_settled {
            return Ok(());
        }
        self.is_settled = true;
        self.save_head()?;
        if self.head.size > MAX_FILE { self.rotate() } else { Ok(()) }
    }

    fn note_second(&mut self, at: Timestamp) {
        let second = at.0.div_euclid(1000);
        if second != self.second.0 {
            let mut text = Timestamp(second.saturating_mul(1000)).to_string();
            text.truncate(text.len().saturating_sub(".000Z".len()));
            self.second = (second, text);
        }
    }

    fn save_head(&mut self) -> io::Result<()> {
        self.head.mac = self.key.mac_of(&self.head);
        self.head_file.write_all_at(&written(&self.head), 0)
    }

    /// Puts the current file aside and removes the oldest beyond the limit.
    fn rotate(&mut self) -> io::Result<()> {
        let aside = self.place.0.join(format!("audit.{:020}.jsonl", self.head.n));
        std::fs::rename(self.place.current(), aside)?;
        self.current = open_current(&self.place).map_err(|_| io::ErrorKind::PermissionDenied)?;
        self.head.size = 0;
        let files = self.place.aside()?;
        for (number, path) in files.iter().take(files.len().saturating_sub(KEPT_FILES)) {
            // When each credential was last used is kept, for `report`.
            read::keep_usage(&self.place, path)?;
            self.head.start_n = *number;
            self.head.start_hash = read::last_hash(path)?;
            std::fs::remove_file(path)?;
        }
        self.save_head()
    }
}

fn open_current(place: &Place) -> Result<File, Error> {
    let path = place.current();
    match OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path) {
        Ok(file) => return Ok(file),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(common::error::file("create", &path)(error).into()),
    }
    // Checked as every private file, and opened again for appending.
    drop(open_private(&path, true)?);
    OpenOptions::new()
        .read(true)
        .append(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(|source| common::error::file("open", &path)(source).into())
}

fn written(head: &Head) -> Vec<u8> {
    // Numbers and hexadecimal text always become JSON.
    let mut bytes = serde_json::to_vec(head).unwrap_or_default();
    bytes.resize(HEAD_SIZE - 1, b' ');
    bytes.push(b'\n');
    bytes
}

fn read_head(file: &File) -> Option<Head> {
    let mut bytes = vec![0; HEAD_SIZE];
    file.read_exact_at(&mut bytes, 0).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Everything of a record but its own hash and the end.
fn format_access(line: &mut String, access: &Access<'_>, second: &str, n: u64, previous: &str) {
    use std::fmt::Write as _;
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
    line.push_str(",\"prev\":\"");
    line.push_str(previous);
    line.push('"');
}

#[cfg(test)]
mod tests;
