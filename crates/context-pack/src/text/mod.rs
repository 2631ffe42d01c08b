//! Reads a file as text: the head of a large one, in the encoding that it evidently has.
//!
//! Nothing is opened that could block or that is not a regular file; at most [`LIMIT`] bytes of a
//! file are read. What it holds is decoded and made fit to be shown.

mod clean;
mod decode;
mod generated;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

pub(crate) use clean::clean;
use clean::is_clean;
pub(crate) use decode::decode;
use decode::decoded;
use generated::is_generated;

/// The most that is read of one file.
pub(crate) const LIMIT: u64 = 384 * 1024;

/// A file as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// The text; every line ends with a newline.
    pub(crate) body: String,
    /// How many bytes at the end of the file were not read.
    pub(crate) n_unread: u64,
}

/// Why a file is not packed after a look at it.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is no text.
    Binary,
    /// It says that it is generated, or is minified.
    Generated,
    /// There is nothing in it.
    Empty,
    /// It could not be read.
    Unreadable(io::Error),
}

/// Reads the file at `path`.
pub(crate) fn read(path: &Path) -> Result<Text, Refusal> {
    let (bytes, size) = head(path).map_err(Refusal::Unreadable)?;
    let n_read = bytes.len() as u64;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::Empty);
    }
    let mut text = decoded(bytes).ok_or(Refusal::Binary)?;
    if is_generated(&text) {
        return Err(Refusal::Generated);
    }
    let mut n_unread = size.saturating_sub(n_read);
    if n_unread > 0 {
        // The last line may be cut in two, and blank lines before it say nothing.
        let whole =
            text.rfind('\n').map_or(text.len(), |end| text[..end].trim_end_matches('\n').len() + 1);
        n_unread += (text.len() - whole) as u64;
        text.truncate(whole);
    }
    let body = if is_clean(&text) { text } else { clean(&text) };
    Ok(Text { body, n_unread })
}

/// Opens a regular file.
pub(crate) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // A FIFO that took the place of the file since the walk must not block, nor a link lead away.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let file: File =
        OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file any more"));
    }
    Ok((file, metadata))
}

/// The first bytes of a regular file, and its size.
pub(crate) fn head(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let (file, metadata) = open(path)?;
    // What is added meanwhile is not waited for. A system's own files have content and no size.
    let wanted = if metadata.len() == 0 { LIMIT } else { metadata.len().min(LIMIT) };
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(LIMIT)).unwrap_or(0));
    file.take(wanted).read_to_end(&mut bytes)?;
    Ok((bytes, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_is_refused_and_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        assert!(matches!(read(&path), Err(Refusal::Unreadable(_))));
    }

    #[test]
    fn all_that_is_left_out_at_the_limit_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let content = format!("x = 1\n{}{}", "\t".repeat(200_000), "\n".repeat(200_000));
        io::Write::write_all(&mut File::create(&path).unwrap(), content.as_bytes()).unwrap();
        let text = read(&path).unwrap();
        assert_eq!(text.n_unread, 199_999);
        let tabs = format!("{}… 199,000 characters omitted …\n", "\t".repeat(1000));
        assert_eq!(text.body, format!("x = 1\n{tabs}"));
    }

    #[test]
    fn only_the_head_of_a_large_file_is_read_and_its_last_line_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let file = File::create(&path).unwrap();
        io::Write::write_all(&mut &file, "0123456789\n".repeat(40_000).as_bytes()).unwrap();
        file.set_len(2_000_000_000).unwrap();
        let text = read(&path).unwrap();
        assert!(text.body.ends_with("0123456789\n"));
        assert_eq!(text.n_unread, 2_000_000_000 - text.body.len() as u64);
    }
}
