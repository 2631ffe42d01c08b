//! The file of an export: read once, and deleted when nothing of it is missing from the vault.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cli::ImportHowArgs;
use crate::error::Error;
use crate::import::{self, Export, Format, MAX_FILE, ReadError};

/// The file of an export, opened once; what is deleted at the end is this very file.
pub(super) struct Source {
    path: PathBuf,
    /// Device, inode, size and time of the last change; `None` for stdin.
    identity: Option<(u64, u64, u64, i64, i64)>,
}

/// Reads the file, and remembers which file it was.
pub(super) fn read(path: &Path, format: Option<Format>) -> Result<(Export, Source), Error> {
    let failed = |problem: ReadError| {
        let hint = match problem {
            ReadError::UnknownHeader => {
                Some("name the format, as in `credential-proxy import chrome FILE`".to_owned())
            }
            ReadError::NotText { .. } => Some("save it as UTF-8".to_owned()),
            ReadError::TooLarge | ReadError::TooManyRows => Some(
                "check that it is the right file; if it is, split it and repeat its header line"
                    .to_owned(),
            ),
            _ => None,
        };
        Error::Import { path: path.to_path_buf(), problem: problem.to_string(), hint }
    };
    if format == Some(Format::Hermes) || (format.is_none() && path.is_dir()) {
        if format.is_none() && !import::is_hermes(path, b"") {
            return Err(failed(ReadError::NotThisFormat("any known program")));
        }
        return Ok((
            import::read_hermes(path).map_err(failed)?,
            Source { path: path.to_path_buf(), identity: None },
        ));
    }
    let too_large = || failed(ReadError::TooLarge);
    let mut bytes = Zeroizing::new(Vec::new());
    let identity = if path == Path::new("-") {
        io::stdin()
            .lock()
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(common::error::file("read", "standard input"))?;
        None
    } else {
        let mut file = File::open(path).map_err(common::error::file("open", path))?;
        let found = file.metadata().map_err(common::error::file("look at", path))?;
        if found.is_dir() {
            return Err(failed(ReadError::NotThisFormat("a single file")));
        }
        let identity =
            Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()));
        let mut read = |len: u64, bytes: &mut Vec<u8>| {
            (&mut file).take(len).read_to_end(bytes).map_err(common::error::file("read", path))
        };
        read(import::ARCHIVE.len() as u64, &mut bytes)?;
        if bytes.as_slice() == import::ARCHIVE {
            let export = import::read_archive(file, format).map_err(failed)?;
            return Ok((export, Source { path: path.to_path_buf(), identity }));
        }
        if found.size() > MAX_FILE {
            return Err(too_large());
        }
        bytes.reserve_exact(usize::try_from(found.size()).unwrap_or(0));
        read(MAX_FILE + 1, &mut bytes)?;
        identity
    };
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large());
    }
    if format.is_none() && import::is_hermes(path, bytes.get(..16).unwrap_or_default()) {
        return Ok((
            import::read_hermes(path).map_err(failed)?,
            Source { path: path.to_path_buf(), identity: None },
        ));
    }
    let export = import::read(&bytes, format, path).map_err(failed)?;
    Ok((export, Source { path: path.to_path_buf(), identity }))
}

/// What became of the file.
pub(super) enum Kept {
    Deleted,
    DryRun,
    Because(String),
}

/// Deletes the file, unless something of it would be lost; `n_skipped` rows of it were not taken.
pub(super) fn delete(
    source: &Source,
    export: &Export,
    n_skipped: usize,
    how: &ImportHowArgs,
) -> Result<Kept, Error> {
    if how.keep {
        return Ok(Kept::Because("--keep was given".to_owned()));
    }
    if export.format == Format::Hermes {
        return Ok(Kept::Because("it is the store of another program".to_owned()));
    }
    let Some(identity) = source.identity else {
        return Ok(Kept::Because("it is no file".to_owned()));
    };
    if n_skipped > 0 {
        return Ok(Kept::Because(format!(
            "{n_skipped} row{} skipped",
            if n_skipped == 1 { " was" } else { "s were" }
        )));
    }
    if export.rows.is_empty() {
        return Ok(Kept::Because("nothing was in it".to_owned()));
    }
    if let Some(what) = export.left {
        return Ok(Kept::Because(what.to_owned()));
    }
    let found =
        source.path.symlink_metadata().map_err(common::error::file("look at", &source.path))?;
    if found.is_symlink() {
        return Ok(Kept::Because("it is a symbolic link".to_owned()));
    }
    if (found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()) != identity {
        return Ok(Kept::Because("it has changed since it was read".to_owned()));
    }
    if found.nlink() > 1 {
        return Ok(Kept::Because(format!(
            "it has {} names (hard links), and each of the others would keep it; delete all of them",
            found.nlink()
        )));
    }
    match std::fs::remove_file(&source.path) {
        Ok(()) => Ok(Kept::Deleted),
        Err(error) => Ok(Kept::Because(format!("it could not be deleted: {error}"))),
    }
}
