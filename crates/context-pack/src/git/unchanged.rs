//! Compares the files of the work tree with what the index says of them, and trusts it only where
//! git would: the same times, owner, place and size. Reads no file.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, openat, statat};

use super::index::{Index, LINK, Moment, SUBMODULE, Seen, low};

/// More files than this that may have changed are a matter for git.
const MOST: usize = 300;

/// The deepest folder that is looked into; each above it is held open.
const DEEPEST: usize = 64;

/// A folder is only a place to look from, where the system has such a thing.
#[cfg(target_os = "linux")]
const PLACE: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PLACE: OFlags = OFlags::RDONLY;

/// The paths under `top`, among those that begin with `prefix`, of which it is not certain that
/// their files are as they were when the index was written; `None` when there are too many.
pub(super) fn suspects<'a>(
    index: &'a Index,
    written: Moment,
    top: &Path,
    prefix: &[u8],
) -> Option<Vec<&'a [u8]>> {
    let mut folders =
        Folders { open: vec![(0, open(CWD, top.as_os_str().as_bytes())?)], last: &[] };
    let mut suspects = Vec::new();
    for seen in &index.seen {
        let path = index.path(seen);
        let is_meant = path.starts_with(prefix) && seen.mode != SUBMODULE && !seen.is_passed_over;
        if !is_meant {
            continue;
        }
        let is_certain = !seen.is_intended
            // What was written while the index was can have changed again without a trace.
            && seen.modified < written
            && folders.stat(path).is_some_and(|stat| is_same(seen, &stat));
        if !is_certain {
            suspects.push(path);
        }
        if suspects.len() > MOST {
            return None;
        }
    }
    Some(suspects)
}

/// Whether git would take the file for unchanged.
fn is_same(seen: &Seen, stat: &Stat) -> bool {
    let kind = FileType::from_raw_mode(stat.st_mode);
    let is_of_kind = if seen.mode == LINK {
        kind == FileType::Symlink
    } else {
        let is_executable = low(stat.st_mode) & 0o100 != 0;
        kind == FileType::RegularFile && is_executable == (seen.mode & 0o100 != 0)
    };
    is_of_kind
        && seen.size == low(stat.st_size)
        && seen.modified == (low(stat.st_mtime), low(stat.st_mtime_nsec))
        && seen.changed == (low(stat.st_ctime), low(stat.st_ctime_nsec))
        && seen.inode == low(stat.st_ino)
        && seen.owner == (stat.st_uid, stat.st_gid)
}

/// The folders on the way to the file that was looked at last, from the top on, each with the
/// length of its path. None of them is a link.
struct Folders<'a> {
    open: Vec<(usize, OwnedFd)>,
    last: &'a [u8],
}

impl<'a> Folders<'a> {
    /// Looks at a file; `None` when it is not there, or lies too deep.
    fn stat(&mut self, path: &'a [u8]) -> Option<Stat> {
        let end = memchr::memrchr(b'/', path).unwrap_or(0);
        let folder = path.get(..end)?;
        let is_on_the_way = |length: usize| {
            folder.starts_with(self.last.get(..length).unwrap_or_default())
                && (length == 0 || matches!(folder.get(length), None | Some(b'/')))
        };
        while self.open.last().is_some_and(|(length, _)| !is_on_the_way(*length)) {
            self.open.pop();
        }
        self.last = folder;
        let mut at = self.open.last()?.0;
        while at < folder.len() {
            let start = if at == 0 { 0 } else { at + 1 };
            let rest = folder.get(start..)?;
            at = start + memchr::memchr(b'/', rest).unwrap_or(rest.len());
            let (_, above) = self.open.last().filter(|_| self.open.len() < DEEPEST)?;
            let place = open(above.as_fd(), folder.get(start..at)?)?;
            self.open.push((at, place));
        }
        let (_, place) = self.open.last()?;
        let name = path.get(if end == 0 { 0 } else { end + 1 }..)?;
        statat(place, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }
}

/// Opens a folder to look from it; not one that leads out of another, and no link.
fn open(from: BorrowedFd<'_>, name: &[u8]) -> Option<OwnedFd> {
    let flags = PLACE | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if name == b".." {
        return None;
    }
    openat(from, name, flags, Mode::empty()).ok()
}
