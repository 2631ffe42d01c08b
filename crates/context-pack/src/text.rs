//! Reads a file as text: the head of a large one, in the encoding that it evidently has.
//!
//! Nothing is opened that could block or that is not a regular file; at most [`LIMIT`] bytes of a
//! file are read; a line has at most [`LINE`] characters. Control characters become visible, for
//! the document may end on a terminal.

use std::fmt::Write as _;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::lines::{ends, lines};
use crate::summary::thousands;

/// The most that is read of one file.
pub(crate) const LIMIT: u64 = 384 * 1024;

/// The most characters of a line that are kept.
const LINE: usize = 1000;

/// The most bytes of a word that is left out whole where a line is cut.
const WORD: usize = 300;

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

/// The text that the bytes evidently are, in the same memory if they are plain UTF-8.
fn decoded(bytes: Vec<u8>) -> Option<String> {
    if bytes.starts_with(b"\xEF\xBB\xBF") || bytes.contains(&0) {
        return decode(&bytes);
    }
    String::from_utf8(bytes).map_or_else(|error| decode(error.as_bytes()), Some)
}

/// The text that the bytes evidently are: UTF-8, UTF-16, Latin-1; `None` for anything else.
pub(crate) fn decode(bytes: &[u8]) -> Option<String> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => return decode_utf8(rest),
        [0xFF, 0xFE, rest @ ..] => return decode_utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => return decode_utf16(rest, u16::from_be_bytes),
        _ => {}
    }
    if bytes.contains(&0) {
        return decode_bare_utf16(bytes);
    }
    decode_utf8(bytes).or_else(|| decode_latin1(bytes))
}

fn decode_utf8(bytes: &[u8]) -> Option<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => (!text.contains('\0')).then(|| text.to_owned()),
        // The limit can cut the last character in two.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok().map(str::to_owned)
        }
        Err(_) => None,
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let units = bytes.chunks_exact(2).filter_map(|pair| Some(unit(*pair.first_chunk()?)));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok().filter(|text| !text.contains('\0'))
}

/// UTF-16 without a mark: mostly Latin letters, so nearly every second byte is zero.
fn decode_bare_utf16(bytes: &[u8]) -> Option<String> {
    let zeros_at =
        |offset: usize| bytes.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let half = bytes.len() / 2;
    let (even, odd) = (zeros_at(0), zeros_at(1));
    if half >= 2 && odd * 10 >= half * 8 && even == 0 {
        decode_utf16(bytes, u16::from_le_bytes)
    } else if half >= 2 && even * 10 >= half * 8 && odd == 0 {
        decode_utf16(bytes, u16::from_be_bytes)
    } else {
        None
    }
}

/// Latin-1: letters with accents among plain text, no control characters.
fn decode_latin1(bytes: &[u8]) -> Option<String> {
    let n_high = bytes.iter().filter(|byte| **byte >= 0x80).count();
    let is_text = bytes.iter().all(|byte| match byte {
        0x00..=0x08 | 0x0E..=0x1F | 0x7F => false,
        // Windows-1252 has quotes and dashes here; Latin-1 has nothing printable.
        0x80..=0x9F => matches!(byte, 0x80 | 0x82 | 0x84 | 0x85 | 0x91..=0x97),
        _ => true,
    });
    (is_text && n_high * 10 <= bytes.len() * 3)
        .then(|| bytes.iter().map(|byte| windows_1252(*byte)).collect())
}

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80 => '€',
        0x82 => '‚',
        0x84 => '„',
        0x85 => '…',
        0x91 => '‘',
        0x92 => '’',
        0x93 => '“',
        0x94 => '”',
        0x95 => '•',
        0x96 => '–',
        0x97 => '—',
        _ => char::from(byte),
    }
}

/// Whether cleaning would change nothing.
fn is_clean(text: &str) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n');
    let is_ascii = || {
        let mut chunks = text.as_bytes().chunks(64);
        chunks.all(|chunk| chunk.iter().filter(|byte| !is_plain(byte)).count() == 0)
    };
    let stays = |character: char| character == '\n' || stays(character);
    text.ends_with('\n') && has_short_lines(text) && (is_ascii() || text.chars().all(stays))
}

/// Whether a character within a line is shown as it is.
fn stays(character: char) -> bool {
    !character.is_control() && !is_trick(character) || character == '\t'
}

/// Direction marks, which hide what a line does; noncharacters, which XML does not allow; and what
/// nobody sees and a model reads as letters.
fn is_trick(character: char) -> bool {
    matches!(
        character,
        '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{fffe}'
            | '\u{ffff}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Whether no line of a text that ends with a newline is too long.
fn has_short_lines(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while rest.len() > LINE {
        // The last end of a line that is near enough, so that most are never looked for.
        match rest.get(..=LINE).and_then(|near| memchr::memrchr(b'\n', near)) {
            Some(end) => rest = rest.get(end + 1..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// One newline per line, visible control characters, lines of bounded length.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len() + 1);
    let mut rest = text;
    while !rest.is_empty() {
        let (line, tail) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.strip_suffix('\r').unwrap_or(line);
        for line in line.split('\r') {
            push_line(&mut clean, line);
            clean.push('\n');
        }
        rest = tail;
    }
    clean
}

/// Where a line that is too long ends: at its limit, or before the word there, of which the first
/// half alone would not be known for the token or the address with a password that it can be.
fn cut_of(line: &str) -> Option<usize> {
    let (limit, _) = line.char_indices().nth(LINE)?;
    let before = line.get(..limit)?;
    let is_within = line.get(limit..)?.starts_with(is_of_word);
    let start = before.trim_end_matches(is_of_word).len();
    Some(if is_within && start > 0 && limit - start <= WORD { start } else { limit })
}

fn is_of_word(character: char) -> bool {
    !character.is_whitespace() && !matches!(character, '"' | '\'' | '`' | '<' | '>')
}

fn push_line(clean: &mut String, line: &str) {
    let cut = if line.len() <= LINE { None } else { cut_of(line) };
    let kept = line.get(..cut.unwrap_or(line.len())).unwrap_or_default();
    if kept.chars().all(stays) {
        clean.push_str(kept);
    } else {
        for character in kept.chars() {
            match character {
                '\u{b}' | '\u{c}' => {}
                character if stays(character) => clean.push(character),
                character => clean.extend(character.escape_unicode()),
            }
        }
    }
    if let Some(cut) = cut {
        let n_omitted = line.get(cut..).unwrap_or_default().chars().count();
        let _ = write!(clean, "… {} characters omitted …", thousands(n_omitted));
    }
}

/// Marks of generators in the first lines, or lines as only a program writes them.
fn is_generated(text: &str) -> bool {
    let is_marked = lines(text).take(12).filter(|line| line.len() < 400).any(|line| {
        let is_comment = line.trim_start().starts_with(['/', '#', '*', ';', '-', '<', '"', '%']);
        is_comment && may_be_marked(line) && GENERATOR_MARKS.iter().any(|mark| line.contains(mark))
    });
    is_marked || text.len() > 20_000 && text.len() / (ends(text) + 1) > 500
}

/// Whether a line has what every mark has; most have not, and then no mark is looked for.
fn may_be_marked(line: &str) -> bool {
    let parts: [&[u8]; 4] = [b"enerated", b"ENERATED", b"EDIT", b"edit"];
    parts.iter().any(|part| memchr::memmem::find(line.as_bytes(), part).is_some())
}

const GENERATOR_MARKS: &[&str] = &[
    "@generated",
    "Code generated by",
    "DO NOT EDIT",
    "Do not edit this file",
    "automatically generated by",
    "Automatically generated by",
    "This file was generated by",
    "This file is generated by",
    "This file is autogenerated",
    "This file is auto-generated",
    "AUTO-GENERATED FILE",
    "AUTOGENERATED FILE",
    "<auto-generated",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_when_its_encoding_is_evident() {
        for (bytes, expect) in [
            (&b"plain"[..], Some("plain")),
            (b"\xEF\xBB\xBFbom", Some("bom")),
            (b"\xFF\xFEh\0i\0", Some("hi")),
            (b"\xFE\xFF\0h\0i", Some("hi")),
            (b"h\0i\0 \0y\0o\0u\0", Some("hi you")),
            (b"caf\xE9 au lait, et encore du caf\xE9", Some("café au lait, et encore du café")),
            (b"cut in two \xC3", Some("cut in two ")),
            (b"\x7FELF\x02\x01\x01\0\0\0", None),
            (b"\x89PNG\r\n\x1a\n\xff\xff", None),
            (b"", Some("")),
        ] {
            assert_eq!(decode(bytes).as_deref(), expect, "{bytes:?}");
        }
    }

    #[test]
    fn lines_end_with_a_newline_are_bounded_and_show_control_characters() {
        assert_eq!(clean("a\r\nb\rc"), "a\nb\nc\n");
        assert_eq!(clean("a\r\n\r\nb\r"), "a\n\nb\n");
        for text in [
            "a\n",
            "\ta\n\nb\n",
            "a",
            "a\r\n",
            "é\n",
            "\u{1b}\n",
            "é\u{85}\n",
            "\u{202e}x\n",
            "\u{feff}x\n",
            &"x".repeat(2000),
            &format!("{0}\n{0}\n", "x".repeat(1000)),
        ] {
            assert!(!is_clean(text) || clean(text) == text, "{text:?}");
        }
        assert!(is_clean("\ta\n\nb\n") && is_clean("\té\n"));
        assert_eq!(clean("red \u{1b}[31m\u{c}"), "red \\u{1b}[31m\n");
        assert_eq!(clean("hidden \u{e0041}\u{e007f}"), "hidden \\u{e0041}\\u{e007f}\n");
        let long = clean(&"é".repeat(5000));
        assert_eq!(long, format!("{}… 4,000 characters omitted …\n", "é".repeat(1000)));
    }

    #[test]
    fn a_line_is_not_cut_within_a_word_that_could_be_a_token() {
        let token = format!("ghp_{}", "a1".repeat(18));
        for (before, after) in [("x ".repeat(490), "y"), ("é".repeat(985) + "='", "'; y")] {
            let line = format!("{before}{token}{after}{}", " z".repeat(20));
            let cut = clean(&line);
            assert!(cut.starts_with(&format!("{before}… ")), "{cut}");
            let n_kept = before.chars().count();
            let expect = format!("… {} characters omitted …\n", line.chars().count() - n_kept);
            assert!(cut.ends_with(&expect), "{cut}");
        }
        let words = format!("{} {}", "x".repeat(999), "y".repeat(500));
        assert!(clean(&words).starts_with(&format!("{} … 500 ", "x".repeat(999))));
        let long = format!("a {}", "x".repeat(2000));
        assert!(clean(&long).starts_with(&format!("a {}… 1,002 ", "x".repeat(998))));
    }

    #[test]
    fn generated_text_is_recognized_by_its_mark_or_its_lines() {
        assert!(is_generated("// Code generated by protoc. DO NOT EDIT.\npackage x\n"));
        assert!(is_generated(&"x".repeat(30_000)));
        assert!(!is_generated("print('DO NOT EDIT')\n"));
        for mark in GENERATOR_MARKS {
            assert!(is_generated(&format!("# {mark}\n")), "{mark}");
        }
    }

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
        let tabs = format!("{}… 199,000 characters omitted …\n", "\t".repeat(LINE));
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
