//! Where things are: everything hangs on the home directory alone.
//!
//! Cron passes `HOME` and almost nothing else, so no `XDG_*` variable is read: a login shell and a
//! cron job must see the same database. Directories are born 0700 and files 0600; nothing is
//! loosened or tightened afterwards.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, file};
use crate::{environment, sys};

/// The home directory: `$HOME`, else the password database.
pub fn home() -> Result<PathBuf, Error> {
    environment::os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute())
        .or_else(sys::passwd_home)
        .ok_or(Error::NoHome)
}

/// `relative` under the home directory.
pub fn in_home(relative: &str) -> Result<PathBuf, Error> {
    Ok(home()?.join(relative))
}

/// Creates `path` and its missing parents, each 0700.
pub fn private_dir(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(file("create the directory", path))
}

/// Creates `path` 0600; it must not exist and must not be a symbolic link.
pub fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// The permission bits of `path` that group or others have and should not; `None` when there are none.
pub fn looser_than_private(path: &Path) -> io::Result<Option<u32>> {
    let mode = fs::symlink_metadata(path)?.permissions().mode() & 0o7777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

/// `path` for people: the home directory as `~`.
pub fn for_people(path: &Path) -> String {
    match home().ok().and_then(|home| path.strip_prefix(home).map(Path::to_path_buf).ok()) {
        Some(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_files_are_private_from_birth() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        private_dir(&deep).unwrap();
        assert_eq!(looser_than_private(&deep).unwrap(), None);
        assert_eq!(looser_than_private(&folder.path().join("a")).unwrap(), None);
        let secret = deep.join("key");
        private_file(&secret).unwrap();
        assert_eq!(looser_than_private(&secret).unwrap(), None);
        assert_eq!(private_file(&secret).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
