//! Reads candidates and outlines them, on as many threads as there are; the order stays.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::kind::Language;
use crate::outline::Outline;
use crate::redact::{self, Tally};
use crate::text::{self, Refusal, Text};
use crate::threads::on_threads;

/// A file that may appear in the document.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The tag of its language.
    pub(crate) tag: &'static str,
    /// Its text.
    pub(crate) text: Text,
    /// The secrets that were replaced in it.
    pub(crate) redacted: Tally,
    /// Its outline.
    pub(crate) outline: Outline,
}

/// The most bytes that are given to parsers in one pack, and of one file; parsing is the slowest
/// thing that is done to a file, and the shape of lines says nearly as much.
const PARSED: usize = 120_000;
const PARSED_FILE: usize = 40_000;

/// An outline shows what a file begins with, so about this many bytes are enough to parse.
const HEAD: usize = 6_000;

/// The text of a file without its secrets, and how many of each kind there were.
type Read = Result<(Text, Tally), Refusal>;

/// Files that were read before anybody knew whether they are wanted.
pub(crate) type Ahead = HashMap<PathBuf, Read>;

/// Reads files of which nearly all are wanted, while there is nothing better to do.
pub(crate) fn ahead(paths: Vec<PathBuf>) -> Ahead {
    let texts = on_threads(&paths, |path| read(path));
    paths.into_iter().zip(texts).collect()
}

/// Reads files and outlines them; knows how much has been parsed.
#[derive(Debug)]
pub(crate) struct Reader {
    ahead: Ahead,
    left_to_parse: usize,
}

impl Reader {
    /// A reader that need not read again what was read ahead.
    pub(crate) fn new(ahead: Ahead) -> Self {
        Self { ahead, left_to_parse: PARSED }
    }

    /// Reads these files; what cannot be packed is an error in its place.
    pub(crate) fn read_all(&mut self, paths: &[PathBuf]) -> Vec<Result<Prepared, Refusal>> {
        let known: Vec<Mutex<Option<Read>>> =
            paths.iter().map(|path| Mutex::new(self.ahead.remove(path))).collect();
        let slots: Vec<_> = paths.iter().zip(&known).collect();
        let read = on_threads(&slots, |(path, known)| {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner).take();
            known.unwrap_or_else(|| read(path))
        });
        // Which files are parsed depends on their order alone, never on which thread was faster.
        let read: Vec<_> = read
            .into_iter()
            .zip(paths)
            .map(|(result, path)| {
                let wanted = result.as_ref().map_or(0, |(text, _)| {
                    Outline::worth_parsing(&text.body, Language::of(path), HEAD)
                });
                let n_parsed =
                    if wanted <= PARSED_FILE.min(self.left_to_parse) { wanted } else { 0 };
                self.left_to_parse -= n_parsed;
                Mutex::new(Some((result, path, n_parsed)))
            })
            .collect();
        let prepared = on_threads(&read, |slot| {
            let (result, path, n_parsed) =
                slot.lock().unwrap_or_else(PoisonError::into_inner).take()?;
            let language = Language::of(path);
            Some(result.map(|(text, redacted)| {
                let outline = Outline::of(&text.body, language, n_parsed);
                Prepared {
                    tag: language.map_or("", |language| language.tag),
                    text,
                    redacted,
                    outline,
                }
            }))
        });
        prepared.into_iter().flatten().collect()
    }
}

fn read(path: &Path) -> Read {
    let mut text = text::read(path)?;
    let mut redacted = Tally::new();
    if let Cow::Owned(clean) = redact::redact(&text.body, &mut redacted) {
        text.body = clean;
    }
    Ok((text, redacted))
}
