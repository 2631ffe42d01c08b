//! The private copy of a document that `exec` hands to its command, and what killed runs left of theirs.
//!
//! A copy is locked as long as somebody may use it: by this process, and through the stdin of the
//! command. A copy that nobody locks is of a run that had no time to remove it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use common::error::file;
use tempfile::NamedTempFile;

use crate::Error;
use crate::request::Format;

/// How the names of copies begin, and how many random characters follow.
const PREFIX: &str = "context-pack-exec-";
const N_RANDOM: usize = 12;

/// A document in a file that only this user can read, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Handed(NamedTempFile);

impl Handed {
    /// Writes the document; removes copies of this user that nobody uses any more.
    pub(super) fn of(document: &str, format: Format) -> Result<Self, Error> {
        let folder = std::env::temp_dir();
        sweep(&folder);
        write(&folder, document, format).map(Self).map_err(|error| {
            // The random name of the file that could not be made helps nobody.
            let said = error.to_string();
            let said = said.split(" at path ").next().unwrap_or_default().to_owned();
            Error::NoTemporary { folder, said }
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The copy as stdin of a command, which keeps it from being removed under its hands.
    pub(super) fn as_stdin(&self) -> Result<File, Error> {
        let path = self.path();
        let stdin = File::open(path).map_err(file("open", path))?;
        lock(&stdin);
        Ok(stdin)
    }
}

fn write(folder: &Path, document: &str, format: Format) -> io::Result<NamedTempFile> {
    loop {
        let mut copy = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(N_RANDOM)
            .suffix(format.suffix())
            .tempfile_in(folder)?;
        lock(copy.as_file());
        // Another run may have taken it for left over before it was locked.
        if copy.as_file().metadata()?.nlink() > 0 {
            copy.write_all(document.as_bytes())?;
            return Ok(copy);
        }
    }
}

fn lock(file: &File) {
    // Where a file system has no locks, nobody gets the one that a removal needs.
    let _ = file.lock_shared();
}

/// Removes the copies in a folder that nobody uses. What cannot be removed stays.
fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let copies = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_of_a_copy));
    for path in copies.map(|copy| copy.path()) {
        if let Ok(unused) = unused(&path)
            && unused.try_lock().is_ok()
        {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Opens what may be a copy of this user; anything else is an error.
fn unused(path: &PathBuf) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let copy = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let found = copy.metadata()?;
    let is_copy = found.is_file()
        && found.uid() == rustix::process::geteuid().as_raw()
        && found.mode() & 0o777 == 0o600
        && found.nlink() == 1;
    if is_copy { Ok(copy) } else { Err(io::ErrorKind::Other.into()) }
}

fn is_of_a_copy(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX).and_then(|rest| {
        let suffixes = [Format::Markdown, Format::Xml, Format::Json].map(Format::suffix);
        suffixes.into_iter().find_map(|suffix| rest.strip_suffix(suffix))
    });
    random.is_some_and(|random| {
        random.len() == N_RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_like_a_copy_is_one() {
        for format in [Format::Markdown, Format::Xml, Format::Json] {
            let folder = tempfile::tempdir().unwrap();
            let copy = write(folder.path(), "x", format).unwrap();
            assert!(is_of_a_copy(copy.path().file_name().unwrap().to_str().unwrap()));
        }
        for name in [
            "context-pack-exec-notes.md",
            "context-pack-exec-0123456789.a.md",
            "context-pack-exec-0123456789ab.txt",
            "context-pack-0123456789ab.md",
        ] {
            assert!(!is_of_a_copy(name), "{name}");
        }
    }

    #[test]
    fn a_copy_is_removed_only_when_nobody_uses_it() {
        let folder = tempfile::tempdir().unwrap();
        let used = write(folder.path(), "x", Format::Markdown).unwrap();
        let (_, left) = write(folder.path(), "x", Format::Markdown).unwrap().keep().unwrap();
        sweep(folder.path());
        assert!(used.path().exists() && !left.exists());
        let (parent, left) = write(folder.path(), "x", Format::Markdown).unwrap().keep().unwrap();
        let stdin = File::open(&left).unwrap();
        lock(&stdin);
        drop(parent);
        sweep(folder.path());
        assert!(left.exists());
        drop(stdin);
        sweep(folder.path());
        assert!(!left.exists());
    }
}
