//! Replaces a file so that a reader, or a crash at any instant, sees the old or the new content.
//!
//! A private temporary file beside the target, fsync, rename, fsync of the directory. It never
//! writes through a symbolic link: the link itself is replaced, so resolve it first where it matters.
//! What is no file, as a device or a pipe, is never replaced but written to.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::error::{Error, file};

/// Writes `content` to `path` with permission bits `mode`.
pub fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    replace(path, content, mode).map_err(plain).map_err(file("write", path))
}

/// The error of the system without the name of the temporary file, which says nothing to anybody.
fn plain(error: io::Error) -> io::Error {
    // The library that makes it keeps the system's own error to itself.
    match error.to_string().rsplit_once(" at path \"") {
        Some((cause, _)) if error.raw_os_error().is_none() => {
            io::Error::new(error.kind(), cause.to_owned())
        }
        _ => error,
    }
}

fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        // A root that says /dev/null means the device, and not a file in its place.
        return OpenOptions::new().write(true).open(path)?.write_all(content);
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder)?;
    temporary.write_all(content)?;
    temporary.as_file().set_permissions(Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    // The rename itself is on disk only once the directory is.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_a_failure_leaves_the_old_one_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        write(&path, b"old", 0o600).unwrap();
        write(&path, b"new", 0o640).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        let blocked = folder.path().join("dir");
        std::fs::create_dir(&blocked).unwrap();
        assert!(write(&blocked, b"x", 0o600).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        let absent = write(&folder.path().join("absent/f"), b"x", 0o600).unwrap_err();
        let cause = std::error::Error::source(&absent).unwrap().to_string();
        assert!(!cause.contains(".tmp-"), "{cause}");
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays_what_it_is() {
        use std::os::unix::fs::FileTypeExt as _;
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        let link = folder.path().join("stdout");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for path in [&pipe, &link] {
            let reader = std::thread::spawn({
                let pipe = pipe.clone();
                move || std::fs::read(pipe).unwrap()
            });
            write(path, b"document", 0o600).unwrap();
            assert!(pipe.metadata().unwrap().file_type().is_fifo());
            assert_eq!(reader.join().unwrap(), b"document");
        }
        assert!(link.symlink_metadata().unwrap().is_symlink());
    }
}
