//! Reads candidates and outlines them, on as many threads as there are; the order stays.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::kind::Language;
use crate::outline::Outline;
use crate::redact::{self, Tally};
use crate::text::{self, Refusal, Text};

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

/// Applies `work` to all of these, on as many threads as there are; the results have their order.
pub(crate) fn on_threads<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    let take = || {
        let mut own = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            own.push((index, work(item)));
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
    };
    std::thread::scope(|scope| {
        // This thread is one of them, so that a few items start no other.
        for _ in 1..n_threads().min(items.len()) {
            scope.spawn(take);
        }
        take();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// As many as there are processors; asking costs a look into several files of the system.
fn n_threads() -> usize {
    static KNOWN: OnceLock<usize> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8)
    })
}

fn read(path: &Path) -> Read {
    let mut text = text::read(path)?;
    let mut redacted = Tally::new();
    if let Cow::Owned(clean) = redact::redact(&text.body, &mut redacted) {
        text.body = clean;
    }
    Ok((text, redacted))
}
