//! What was asked for in words: how well a file's path and content match.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use regex::bytes::{Regex, RegexBuilder};

use crate::text;

/// The most files whose content is searched.
const MOST: usize = 40_000;

/// The words of a focus text, each as a pattern without case.
#[derive(Debug)]
pub(crate) struct Focus(Vec<Regex>);

impl Focus {
    /// The words of these texts; `None` when there are none.
    pub(crate) fn of(texts: &[String]) -> Option<Self> {
        let words = texts.iter().flat_map(|text| {
            text.split(|character: char| !character.is_alphanumeric() && character != '_')
        });
        let mut words: Vec<String> =
            words.filter(|word| word.chars().count() > 1).map(str::to_lowercase).collect();
        words.sort();
        words.dedup();
        let patterns: Vec<Regex> = words
            .iter()
            .filter_map(|word| {
                RegexBuilder::new(&regex::escape(word)).case_insensitive(true).build().ok()
            })
            .collect();
        (!patterns.is_empty()).then_some(Self(patterns))
    }

    /// The share of the words that are in a name, from 0 to 1.
    pub(crate) fn in_name(&self, name: &str) -> f64 {
        self.share(name.as_bytes())
    }

    /// The share of the words that are in the content of each file.
    pub(crate) fn in_files(&self, paths: &[PathBuf]) -> Vec<f64> {
        let next = AtomicUsize::new(0);
        let shares = Mutex::new(vec![0.0; paths.len()]);
        let n_threads =
            std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8);
        std::thread::scope(|scope| {
            for _ in 0..n_threads {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(path) = paths.get(index).filter(|_| index < MOST) else { break };
                        let share = text::head(path).map_or(0.0, |(bytes, _)| self.share(&bytes));
                        if let Some(slot) =
                            shares.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index)
                        {
                            *slot = share;
                        }
                    }
                });
            }
        });
        shares.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn share(&self, bytes: &[u8]) -> f64 {
        let n_found = self.0.iter().filter(|word| word.is_match(bytes)).count();
        f64::from(u32::try_from(n_found).unwrap_or(0))
            / f64::from(u32::try_from(self.0.len()).unwrap_or(1))
    }
}

#[cfg(test)]
mod tests {
    use super::Focus;

    #[test]
    fn words_match_without_case_and_the_share_says_how_many() {
        let focus = Focus::of(&["Rate limit".to_owned()]).unwrap();
        assert!((focus.in_name("src/rate_LIMIT.rs") - 1.0).abs() < 1e-9);
        assert!((focus.in_name("src/rate.rs") - 0.5).abs() < 1e-9);
        assert!(focus.in_name("src/main.rs").abs() < 1e-9);
        assert!(Focus::of(&["- ?".to_owned()]).is_none());
    }
}
