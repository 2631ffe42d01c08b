//! Replaces a file so that a reader, or a crash at any instant, sees the old or the new content.
//!
//! A private temporary file beside the target, fsync, rename, fsync of the directory. [`write()`] never
//! writes through a symbolic link: the link itself is replaced, so resolve it first where it matters.
//! A [`Draft`] does, for files that belong to the user and not to a tool, and keeps what the file was.
//! What is no file, as a device or a pipe, is never replaced but written to.

use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

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
    if is_no_file(path) {
        return write_into(path, content);
    }
    let temporary = beside(path, content)?;
    temporary.as_file().set_permissions(Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    put_in_place(temporary, path)
}

/// The new content of a file of the user, on disk beside it and not in its place yet.
///
/// What can fail has failed when there is a draft, so several files can be replaced together or not
/// at all. A new file is for its owner alone; one that is there keeps its mode, and its owner where
/// this process may give files away. A symbolic link stays, and what it leads to is replaced.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// A temporary file, and the place that is meant.
    Beside(NamedTempFile, PathBuf),
    /// For what is no file.
    Bytes(Vec<u8>),
}

impl Draft {
    /// Writes `content` beside what `path` leads to.
    pub fn new(path: &Path, content: &[u8]) -> Result<Self, Error> {
        let content = draft(path, content).map_err(plain).map_err(file("write", path))?;
        Ok(Self { path: path.to_path_buf(), content })
    }

    /// Puts the content in its place.
    pub fn publish(self) -> Result<(), Error> {
        let published = match self.content {
            Content::Beside(temporary, place) => put_in_place(temporary, &place),
            Content::Bytes(bytes) => write_into(&self.path, &bytes),
        };
        published.map_err(plain).map_err(file("write", self.path))
    }
}

fn draft(path: &Path, content: &[u8]) -> io::Result<Content> {
    if is_no_file(path) {
        return Ok(Content::Bytes(content.to_vec()));
    }
    let place = led_to(path)?;
    let old = place.metadata().ok();
    if old.as_ref().is_some_and(Metadata::is_dir) {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    let temporary = beside(&place, content)?;
    if let Some(old) = old
        && !is_planted(&place, &old)
    {
        keep(temporary.as_file(), &old)?;
    }
    temporary.as_file().sync_all()?;
    Ok(Content::Beside(temporary, place))
}

/// Where the links at `path` lead, also when nothing is there.
///
/// A link of somebody else in a folder for everybody, as /tmp, is not followed, as the kernel does not:
/// it could lead to any file of this user.
pub fn led_to(path: &Path) -> io::Result<PathBuf> {
    /// As many as the kernel follows.
    const MOST: usize = 40;
    let mut place = path.to_path_buf();
    for _ in 0..MOST {
        let Ok(next) = place.read_link() else { return Ok(place) };
        if is_planted(&place, &place.symlink_metadata()?) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        place = place.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

/// Whether what is at `path` lies in a folder for everybody, and is of neither this user nor its owner.
fn is_planted(path: &Path, found: &Metadata) -> bool {
    /// Everybody may make files here, and nobody remove those of others.
    const FOR_EVERYBODY: u32 = 0o1002;
    let ours = rustix::process::geteuid().as_raw();
    folder_of(path).metadata().is_ok_and(|folder| {
        folder.mode() & FOR_EVERYBODY == FOR_EVERYBODY
            && ![ours, folder.uid()].contains(&found.uid())
    })
}

/// Gives a file that only its owner can read the owner and the mode of another.
fn keep(new: &File, old: &Metadata) -> io::Result<()> {
    let mut mode = old.mode() & 0o777;
    let ours = new.metadata()?;
    let is_same = (ours.uid(), ours.gid()) == (old.uid(), old.gid());
    if !is_same && fchown(new, Some(old.uid()), Some(old.gid())).is_err() {
        // Another group than before may do no more than everybody.
        mode &= 0o707 | ((mode & 0o007) << 3);
    }
    new.set_permissions(Permissions::from_mode(mode))
}

/// Whether a file of this name may be content that is not in its place yet, or whose writer was killed.
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// How the names of temporary files begin.
const TEMPORARY: &str = ".tmp-";

fn is_no_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// A root that says /dev/null means the device, and not a file in its place.
fn write_into(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(content)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn beside(path: &Path, content: &[u8]) -> io::Result<NamedTempFile> {
    let mut temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder_of(path))?;
    temporary.write_all(content)?;
    Ok(temporary)
}

fn put_in_place(temporary: NamedTempFile, path: &Path) -> io::Result<()> {
    temporary.persist(path).map_err(|error| error.error)?;
    // The rename itself is on disk only once the directory is.
    File::open(folder_of(path))?.sync_all()
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

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_draft_is_published_with_the_mode_that_the_file_had_and_a_new_one_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let draft = Draft::new(&path, b"old").unwrap();
        assert!(!path.exists());
        let beside = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
        assert!(is_temporary(&beside.file_name()) && !is_temporary("f".as_ref()));
        draft.publish().unwrap();
        assert_eq!(mode(&path), 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        drop(Draft::new(&path, b"never").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        Draft::new(&path, b"new").unwrap().publish().unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o640));
        assert!(Draft::new(folder.path(), b"x").is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_draft_goes_where_links_lead_and_they_stay() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("deep/f");
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        let link = folder.path().join("link");
        symlink("again", &link).unwrap();
        symlink("deep/f", folder.path().join("again")).unwrap();
        for content in [b"one", b"two"] {
            Draft::new(&link, content).unwrap().publish().unwrap();
            assert_eq!(std::fs::read(&there).unwrap(), content);
            assert!(link.is_symlink() && !there.is_symlink());
        }
        symlink("round", folder.path().join("round")).unwrap();
        assert!(Draft::new(&folder.path().join("round"), b"x").is_err());
    }

    #[test]
    fn what_somebody_else_planted_in_a_folder_for_everybody_is_neither_followed_nor_kept() {
        use std::os::unix::fs::{lchown, symlink};
        if !rustix::process::geteuid().is_root() {
            // Nobody else can give files away.
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
        let (there, link) = (home.path().join("f"), folder.path().join("link"));
        let file = folder.path().join("file");
        let draft = |path: &Path| Draft::new(path, b"new").and_then(Draft::publish);
        symlink(&there, &link).unwrap();
        write(&file, b"old", 0o666).unwrap();
        // The owner of the folder may plant what it likes.
        draft(&link).unwrap();
        std::os::unix::fs::chown(folder.path(), Some(1), None).unwrap();
        for path in [&link, &file] {
            lchown(path, Some(65534), Some(65534)).unwrap();
        }
        write(&there, b"old", 0o600).unwrap();
        assert!(draft(&link).is_err());
        assert_eq!(std::fs::read(&there).unwrap(), b"old");
        draft(&file).unwrap();
        assert_eq!((mode(&file), file.metadata().unwrap().uid()), (0o600, 0));
    }
}
