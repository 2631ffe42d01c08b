//! What a path is called towards SQLite, which takes some names for something else.

use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The name of the file `path` and nothing else: `:memory:` and `file:…` are files here, too.
pub(super) fn literal(path: &Path) -> PathBuf {
    if path.is_relative() { Path::new(".").join(path) } else { path.to_path_buf() }
}

/// The file `path` as one that nobody writes.
pub(super) fn immutable_uri(path: &Path) -> io::Result<String> {
    let mut uri = "file://".to_owned();
    for byte in std::path::absolute(path)?.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte));
            }
            other => {
                let _ = write!(uri, "%{other:02x}");
            }
        }
    }
    uri.push_str("?immutable=1");
    Ok(uri)
}

/// Refuses the URL of a database server.
pub(super) fn check_scheme(path: &Path) -> Result<(), Error> {
    match path.to_str().and_then(|text| text.split_once("://")) {
        Some((scheme, _)) => Err(Error::Scheme { scheme: scheme.to_owned() }),
        None => Ok(()),
    }
}
