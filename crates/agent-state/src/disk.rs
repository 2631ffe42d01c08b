//! A guarded file on disk: where it is, what it holds, and how it is replaced whole.
//!
//! A link is followed once and must end at a regular file. Mode and owner are kept. Hard links, ACLs and
//! extended attributes are not: the file is a new one under the old name.

use std::fmt::Write as _;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use common::error::file;
use rustix::fs::{Gid, OFlags, Uid};
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// The longest content, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// The SHA-256 of a content, in hex.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub(crate) struct FileVersion(String);

impl FileVersion {
    /// The version that this content has.
    pub(crate) fn of(content: &[u8]) -> Self {
        Self(hex(&Sha256::digest(content)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for FileVersion {
    fn from(hex: String) -> Self {
        Self(hex)
    }
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) version: FileVersion,
    metadata: Metadata,
}

/// The place of a guarded file, with its link followed.
pub(crate) fn locate(named: &Path) -> anyhow::Result<PathBuf> {
    let path = beside_parent(named)?;
    let Some(kind) = kind_of(&path)? else { return Ok(path) };
    if !kind.is_symlink() {
        return regular(path, kind);
    }
    let link = fs::read_link(&path).map_err(file("read the link", &path))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let target = beside_parent(&folder.join(link))?;
    match kind_of(&target)? {
        Some(kind) => regular(target, kind),
        None => Err(Error::NotAFile { path, what: "a link to nothing" }.into()),
    }
}

fn regular(path: PathBuf, kind: fs::FileType) -> anyhow::Result<PathBuf> {
    let what = if kind.is_file() {
        return Ok(path);
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a link to a link"
    } else {
        "no regular file"
    };
    Err(Error::NotAFile { path, what }.into())
}

/// `path` under its parent's one name.
fn beside_parent(path: &Path) -> anyhow::Result<PathBuf> {
    let failed = |source| file("find", path)(source);
    let absolute = std::path::absolute(path).map_err(failed)?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(Error::NotAFile { path: absolute, what: "a directory" }.into());
    };
    Ok(parent.canonicalize().map_err(failed)?.join(name))
}

fn kind_of(path: &Path) -> Result<Option<fs::FileType>, common::Error> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata.file_type())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file("look at", path)(error)),
    }
}

/// What the file at a located place holds; `None` when there is none.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Content>> {
    let failed = |source| file("read", path)(source);
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let opened = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let metadata = opened.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: path.to_owned(), what: "no regular file" }.into());
    }
    let bytes = at_most(opened, path)?;
    let version = FileVersion::of(&bytes);
    Ok(Some(Content { bytes, version, metadata }))
}

/// All of a stream, when that is not more than a guarded file can hold.
pub(crate) fn at_most(stream: impl io::Read, path: &Path) -> anyhow::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1;
    let mut bytes = Vec::new();
    stream.take(limit).read_to_end(&mut bytes).map_err(|source| file("read", path)(source))?;
    if bytes.len() > MAX_BYTES {
        return Err(Error::FileTooLarge { path: path.to_owned() }.into());
    }
    Ok(bytes)
}

/// A replacement that is complete on disk and waits for its name.
pub(crate) struct Replacement {
    temporary: tempfile::NamedTempFile,
    target: PathBuf,
}

/// Writes `bytes` beside `target`, with the mode and the owner of what is there now.
pub(crate) fn prepare(
    target: &Path,
    bytes: &[u8],
    former: Option<&Content>,
) -> anyhow::Result<Replacement> {
    let temporary = prepare_beside(target, bytes, former)
        .map_err(|source| file("write beside", target)(source))?;
    Ok(Replacement { temporary, target: target.to_owned() })
}

fn prepare_beside(
    target: &Path,
    bytes: &[u8],
    former: Option<&Content>,
) -> io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = target.parent().unwrap_or(Path::new("/"));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".agent-state-");
    if former.is_none() {
        // A new file gets what the umask leaves, as from any editor.
        builder.permissions(Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    if let Some(former) = former {
        let (now, then) = (temporary.as_file().metadata()?, &former.metadata);
        if (now.uid(), now.gid()) != (then.uid(), then.gid()) {
            let (owner, group) = (Uid::from_raw(then.uid()), Gid::from_raw(then.gid()));
            rustix::fs::fchown(temporary.as_file(), Some(owner), Some(group))?;
        }
        // After the owner: a change of owner clears the set-id bits.
        temporary.as_file().set_permissions(then.permissions())?;
    }
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

impl Replacement {
    /// Gives the replacement its name; a reader sees the old content or the new.
    pub(crate) fn commit(self) -> anyhow::Result<()> {
        let target = self.target;
        let failed = |source| file("replace", &target)(source);
        self.temporary.persist(&target).map_err(|error| failed(error.error))?;
        let folder = target.parent().unwrap_or(Path::new("/"));
        // The rename itself is on disk only once the directory is.
        Ok(File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        let target = locate(path)?;
        prepare(&target, bytes, read(&target)?.as_ref())?.commit()
    }

    fn content(path: &Path) -> Vec<u8> {
        read(path).unwrap().unwrap().bytes
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (skill, link) = (folder.path().join("skill.md"), folder.path().join("link"));
        replace(&skill, b"one").unwrap();
        fs::set_permissions(&skill, Permissions::from_mode(0o4751)).unwrap();
        symlink("skill.md", &link).unwrap();
        replace(&link, b"two").unwrap();
        assert_eq!(content(&skill), b"two");
        assert_eq!(fs::metadata(&skill).unwrap().permissions().mode() & 0o7777, 0o4751);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn directories_loops_chains_and_dangling_links_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("two", at("one")).unwrap();
        symlink("one", at("two")).unwrap();
        symlink("nothing", at("dangling")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink("folder", at("to-folder")).unwrap();
        for name in ["one", "dangling", "folder", "to-folder"] {
            let error = locate(&at(name)).unwrap_err();
            assert!(
                matches!(error.downcast_ref(), Some(Error::NotAFile { .. })),
                "{name}: {error}"
            );
        }
        assert!(locate(Path::new("/")).is_err());
        assert!(locate(&at("no/such/folder")).is_err());
    }

    #[test]
    fn a_content_of_more_than_a_mebibyte_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        replace(&path, &vec![0; MAX_BYTES]).unwrap();
        assert!(read(&path).is_ok());
        replace(&path, &vec![0; MAX_BYTES + 1]).unwrap();
        assert!(matches!(
            read(&path).unwrap_err().downcast_ref(),
            Some(Error::FileTooLarge { .. })
        ));
    }
}
