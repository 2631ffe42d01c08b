//! The index: what git saw of the work tree when it last looked.
//!
//! Its format is that of git's own `gitformat-index`, versions 2 to 4. Whatever is not plain (a
//! split or a sparse index, a merge that is under way, an extension that must be understood) is no
//! index here, and git is asked instead. Nothing is ever written.

use std::fmt::Write as _;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use crate::text;

/// The most bytes of an index that are read, and the most that its paths may have: about what half
/// a million files need.
const LARGEST: usize = 64 * 1024 * 1024;

/// A moment in the seconds and nanoseconds that the index has room for.
pub(super) type Moment = (u32, u32);

/// What git saw of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its path under the top of the work tree.
    pub(super) path: Range<usize>,
    /// When it, and what is known of it, changed last.
    pub(super) modified: Moment,
    pub(super) changed: Moment,
    /// Its number on its disk, its owner and its group.
    pub(super) inode: u32,
    pub(super) owner: (u32, u32),
    /// Its length in bytes, modulo 2³².
    pub(super) size: u32,
    /// What it is, in the bits of a file's mode.
    pub(super) mode: u32,
    /// Whether the user told git not to look at it.
    pub(super) is_passed_over: bool,
    /// Whether it is announced and not yet added.
    pub(super) is_intended: bool,
}

/// The index of a work tree.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// What was seen, by path.
    pub(crate) seen: Vec<Seen>,
    /// The paths, one after the other.
    paths: Vec<u8>,
    /// The tree object that says the same, when git has written one.
    pub(crate) tree: Option<String>,
}

/// The bits of a mode that say what a file is, and what it is if it is part of another repository.
const KIND: u32 = 0o170_000;
pub(super) const SUBMODULE: u32 = 0o160_000;
pub(super) const LINK: u32 = 0o120_000;
const FILE: u32 = 0o100_000;

const PASSED_OVER: u16 = 0x8000;
const EXTENDED: u16 = 0x4000;
const STAGE: u16 = 0x3000;
const SKIPPED: u16 = 0x4000;
const INTENDED: u16 = 0x2000;

/// The bytes of an object's name.
const NAME: usize = 20;

impl Index {
    /// The index at `path` and when it was written.
    pub(super) fn read(path: &Path) -> Option<(Self, Moment)> {
        use std::os::unix::fs::MetadataExt as _;
        let (file, metadata) = text::open(path).ok()?;
        let n_bytes = usize::try_from(metadata.len()).ok().filter(|n_bytes| *n_bytes <= LARGEST)?;
        let mut bytes = Vec::with_capacity(n_bytes);
        file.take(metadata.len()).read_to_end(&mut bytes).ok()?;
        let written = (low(metadata.mtime()), low(metadata.mtime_nsec()));
        Some((Self::parse(&bytes)?, written))
    }

    /// The index that these bytes are.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        // The checksum at the end is for whoever writes.
        let mut rest = Rest(bytes.get(..bytes.len().checked_sub(NAME)?)?);
        let version = (rest.take(4)? == b"DIRC").then(|| rest.u32())??;
        if !(2..=4).contains(&version) {
            return None;
        }
        let n_files = usize::try_from(rest.u32()?).ok()?;
        let mut index = Self::default();
        for _ in 0..n_files {
            index.entry(&mut rest, version)?;
        }
        while !rest.0.is_empty() {
            let (name, size) = (rest.take(4)?, usize::try_from(rest.u32()?).ok()?);
            let extension = rest.take(size)?;
            // What begins with a small letter changes the meaning of the rest.
            if !name.first()?.is_ascii_uppercase() {
                return None;
            }
            if name == b"TREE" {
                index.tree = root(extension);
            }
        }
        Some(index)
    }

    /// The path of a file.
    pub(crate) fn path(&self, seen: &Seen) -> &[u8] {
        self.paths.get(seen.path.clone()).unwrap_or_default()
    }

    /// Reads one file.
    fn entry(&mut self, rest: &mut Rest<'_>, version: u32) -> Option<()> {
        let before = rest.0.len();
        let changed = (rest.u32()?, rest.u32()?);
        let modified = (rest.u32()?, rest.u32()?);
        let (_device, inode, mode) = (rest.u32()?, rest.u32()?, rest.u32()?);
        let owner = (rest.u32()?, rest.u32()?);
        let size = rest.u32()?;
        rest.take(NAME)?;
        let flags = rest.u16()?;
        let extended = if flags & EXTENDED == 0 { 0 } else { rest.u16()? };
        let is_plain = flags & STAGE == 0 && matches!(mode & KIND, FILE | LINK | SUBMODULE);
        let start = self.paths.len();
        if version == 4 {
            let n_removed = rest.offset()?;
            let previous = self.seen.last().map_or(0..0, |seen| seen.path.clone());
            let kept = previous.len().checked_sub(n_removed)?;
            self.paths.extend_from_within(previous.start..previous.start + kept);
            // A few bytes can stand for a long path again and again.
            if self.paths.len() > LARGEST {
                return None;
            }
        }
        let end = memchr::memchr(0, rest.0)?;
        self.paths.extend_from_slice(rest.take(end)?);
        // The end of the path, and in the older versions up to seven zeros more.
        let length = before - rest.0.len();
        rest.take(if version == 4 { 1 } else { 8 - length % 8 })?;
        self.seen.push(Seen {
            path: start..self.paths.len(),
            modified,
            changed,
            inode,
            owner,
            size,
            mode,
            is_passed_over: flags & PASSED_OVER != 0 || extended & SKIPPED != 0,
            is_intended: extended & INTENDED != 0,
        });
        is_plain.then_some(())
    }
}

/// The tree object of the root, if it still says what the index does.
fn root(extension: &[u8]) -> Option<String> {
    let rest = extension.strip_prefix(b"\0")?;
    let line = memchr::memchr(b'\n', rest)?;
    if rest.first() == Some(&b'-') {
        return None;
    }
    let name = rest.get(line + 1..line + 1 + NAME)?;
    let mut hex = String::with_capacity(2 * NAME);
    for byte in name {
        let _ = write!(hex, "{byte:02x}");
    }
    Some(hex)
}

/// What has not been read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, n_bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n_bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.take(4)?.first_chunk()?))
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.take(2)?.first_chunk()?))
    }

    /// A number of as many bytes as it needs, as packs write the distance to a base.
    fn offset(&mut self) -> Option<usize> {
        let mut number = 0_usize;
        loop {
            let byte = *self.take(1)?.first()?;
            number = number.checked_mul(128)?.checked_add(usize::from(byte & 0x7F))?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            number += 1;
        }
    }
}

/// The lower 32 bits of a number of the system, which is all that the index has.
pub(super) fn low(number: impl Into<i128>) -> u32 {
    u32::try_from(number.into() & 0xFFFF_FFFF).unwrap_or(0)
}
