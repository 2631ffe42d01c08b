//! The one writer of a trail, and how it goes on after a kill.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use common::clock::Timestamp;
use common::place;
use rustix::fs::FlockOperation;

use super::chain::{Head, Key, NO_HASH, format_access, read_head, written};
use super::{Access, Decision, Place, read};
use crate::error::Error;
use crate::home::open_private;
use crate::secret::Secret;

/// A file that has grown beyond this is put aside.
const MAX_FILE: u64 = 8 * 1024 * 1024;

/// How many files that were put aside are kept.
pub(super) const KEPT_FILES: usize = 8;

/// The one writer of a trail.
pub(crate) struct Trail {
    place: Place,
    key: Key,
    head_file: File,
    /// `None` when it could not be opened; each record tries again.
    current: Option<File>,
    head: Head,
    /// How long the current file is when nobody else has written to it; `None` when that is not known.
    len: Option<u64>,
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
        let key = Key::new(key);
        if place.head().symlink_metadata().is_ok() {
            if !is_of_unfinished_vault(place, &key) {
                return Ok(());
            }
            std::fs::remove_file(place.head())
                .map_err(common::error::file("replace", place.head()))?;
        }
        let mut head = Head {
            n: 0,
            hash: NO_HASH.to_owned(),
            size: 0,
            start_n: 0,
            start_hash: NO_HASH.to_owned(),
            n_lost: 0,
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
        let mut trail = Self {
            place: place.clone(),
            key,
            head_file,
            current: None,
            head,
            len: None,
            line: String::new(),
            is_settled: true,
            second: (i64::MIN, String::new()),
        };
        // What keeps the file from being opened is told when there is something to write.
        if let Ok(current) = open_current(place) {
            trail.recover(&current).map_err(common::error::file("read", place.current()))?;
            trail.current = Some(current);
        }
        Ok(Some(trail))
    }

    /// Whether the paths still lead to the files that are written.
    pub(crate) fn is_in_place(&self) -> bool {
        let is_at = |file: &File, path: PathBuf| {
            let place = |found: &std::fs::Metadata| (found.dev(), found.ino());
            let own = file.metadata().as_ref().map(place).ok();
            own.is_some() && own == path.symlink_metadata().as_ref().map(place).ok()
        };
        is_at(&self.head_file, self.place.head())
            && self.current.as_ref().is_none_or(|current| is_at(current, self.place.current()))
    }

    /// How many accesses are in no record yet.
    pub(crate) fn n_lost(&self) -> u64 {
        self.head.n_lost
    }

    /// Counts accesses that are in no record; the next record tells how many they were.
    pub(crate) fn lose(&mut self, n_accesses: u64) -> io::Result<()> {
        self.head.n_lost = self.head.n_lost.saturating_add(n_accesses);
        // The head is written over in place, which works on a full disk, too.
        self.save_head()
    }

    /// Takes in what a killed writer wrote behind the head: whole records of the chain stay, half
    /// a line goes.
    fn recover(&mut self, mut current: &File) -> io::Result<()> {
        let len = current.metadata()?.len();
        if len < self.head.size {
            // A cut file; `verify` tells. The chain goes on from the anchored head.
            self.head.size = len;
            return Ok(());
        }
        let mut tail = String::new();
        current.seek(SeekFrom::Start(self.head.size))?;
        if current.take(1 << 20).read_to_string(&mut tail).is_err() {
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
            if line.contains("\"mode\":\"gap\"") {
                self.head.n_lost = 0;
            }
        }
        self.head.size += n_taken as u64;
        let rest = tail.get(n_taken..).unwrap_or_default();
        if !rest.is_empty() && !rest.contains('\n') {
            current.set_len(self.head.size)?;
        }
        self.save_head()
    }

    /// Writes one record, and before it how many accesses are missing, if any are. What was written
    /// survives a kill of this process; what could not be written is counted.
    pub(crate) fn write(&mut self, access: &Access<'_>) -> io::Result<()> {
        let result = self.tell_lost(access).and_then(|()| self.append(access));
        if result.is_err() {
            // The error of the record itself says more.
            let _ = self.lose(1);
        }
        result
    }

    fn tell_lost(&mut self, next: &Access<'_>) -> io::Result<()> {
        if self.head.n_lost == 0 {
            return Ok(());
        }
        self.append(&Access {
            at: next.at,
            token: None,
            service: "",
            username: "",
            mode: "gap",
            decision: Decision::Lost(self.head.n_lost),
            uid: rustix::process::geteuid().as_raw(),
            pid: Some(std::process::id()),
            exe: None,
            run: None,
        })?;
        self.head.n_lost = 0;
        Ok(())
    }

    /// The current file, and whether its last line has no end.
    fn current(&mut self) -> io::Result<(File, bool)> {
        let current = match self.current.take() {
            Some(current) => current,
            None => {
                open_current(&self.place).map_err(|error| io::Error::other(error.to_string()))?
            }
        };
        let len = current.metadata()?.len();
        if self.len == Some(len) {
            return Ok((current, false));
        }
        // Somebody else wrote or cut; a new record must not be taken for the rest of an old one.
        let mut last = [b'\n'];
        if len > 0 {
            current.read_exact_at(&mut last, len - 1)?;
        }
        self.head.size = len;
        Ok((current, last != [b'\n']))
    }

    fn append(&mut self, access: &Access<'_>) -> io::Result<()> {
        let (mut current, is_torn) = self.current()?;
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        self.note_second(access.at);
        format_access(&mut line, access, &self.second.1, self.head.n + 1, &self.head.hash);
        let hash = self.key.hash("record ", line.as_bytes());
        // The hash covers everything before it.
        line.push_str(",\"hash\":\"");
        line.push_str(&hash);
        line.push_str("\"}\n");
        if is_torn {
            line.insert(0, '\n');
        }
        let result = current.write_all(line.as_bytes());
        let len = line.len() as u64;
        self.line = line;
        if let Err(error) = result {
            // Half a record, as on a full disk, must not stand before the next whole one.
            let _ = current.set_len(self.head.size);
            self.current = Some(current);
            return Err(error);
        }
        self.current = Some(current);
        self.head.n += 1;
        self.head.hash = hash;
        self.head.size += len;
        self.len = Some(self.head.size);
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
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        let aside = self.place.0.join(format!("audit.{:020}.jsonl", self.head.n));
        std::fs::rename(self.place.current(), aside)?;
        self.current = None;
        self.len = None;
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

/// Whether the trail has no record yet and belongs to a vault that a killed `init` never finished.
fn is_of_unfinished_vault(place: &Place, key: &Key) -> bool {
    let head = open_private(&place.head(), false).ok().and_then(|file| read_head(&file));
    !place.current().exists()
        && head.is_some_and(|head| head.n == 0 && key.mac_of(&head) != head.mac)
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
