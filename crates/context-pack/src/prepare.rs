//! Reads candidates and outlines them, on as many threads as there are; the order stays.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

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

/// Reads these files; what cannot be packed is an error in its place.
pub(crate) fn read_all(paths: &[PathBuf]) -> Vec<Result<Prepared, Refusal>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<Prepared, Refusal>)>> =
        Mutex::new(Vec::with_capacity(paths.len()));
    let n_threads = std::thread::available_parallelism()
        .map_or(2, std::num::NonZero::get)
        .min(8)
        .min(paths.len());
    std::thread::scope(|scope| {
        for _ in 0..n_threads {
            scope.spawn(|| {
                let mut own = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = paths.get(index) else { break };
                    own.push((index, read(path)));
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

fn read(path: &Path) -> Result<Prepared, Refusal> {
    let mut text = text::read(path)?;
    let mut redacted = Tally::new();
    if let Cow::Owned(clean) = redact::redact(&text.body, &mut redacted) {
        text.body = clean;
    }
    let language = Language::of(path);
    let outline = Outline::of(&text.body, language);
    Ok(Prepared { tag: language.map_or("", |language| language.tag), text, redacted, outline })
}
