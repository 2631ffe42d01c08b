//! What was asked for in words: how well a file's path and content match.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use regex::bytes::{Regex, RegexBuilder};

use crate::text;
use crate::threads::on_threads;
use crate::value::to_f64;

/// The most files whose content is searched.
const MOST: usize = 40_000;

/// So often must a word be in a content to count in full: a long file says everything once.
const OFTEN: u8 = 3;

/// What a word counts that is in the folders of a path only and not in the name of the file.
const IN_FOLDER: f64 = 0.6;

/// A word that this share of the files has counts half of one that none has.
const COMMON: f64 = 0.1;

/// The words of a focus text, each as a pattern without case.
#[derive(Debug)]
pub(crate) struct Focus(Vec<Regex>);

/// How well a file matches: the shares of the words in its name and in its content, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Match {
    pub(crate) in_name: f64,
    pub(crate) in_content: f64,
}

impl Focus {
    /// The words of these texts; `None` when there are none.
    pub(crate) fn of(texts: &[String]) -> Option<Self> {
        let words = texts.iter().flat_map(|text| {
            text.split(|character: char| !character.is_alphanumeric() && character != '_')
        });
        let mut words: Vec<String> = words
            .filter(|word| word.chars().count() > 1)
            .map(|word| stem(&word.to_lowercase()).to_owned())
            .collect();
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

    /// Whether one of the words is in this line.
    pub(crate) fn is_in(&self, line: &str) -> bool {
        self.0.iter().any(|word| word.is_match(line.as_bytes()))
    }

    /// How well each of the files at `paths` in a folder matches.
    ///
    /// A word that few files have says more about those than one that all have.
    pub(crate) fn of_files(&self, paths: &[&Path], folder: &Path) -> Vec<Match> {
        let searched: Vec<&Path> = paths.iter().copied().take(MOST).collect();
        let contents = on_threads(&searched, |path| {
            let head = text::head(&folder.join(path)).map(|(bytes, _)| bytes).unwrap_or_default();
            self.0.iter().map(|word| occurrences(word, &head)).collect::<Vec<u8>>()
        });
        let n_files = to_f64(contents.len().max(1));
        let rarities: Vec<f64> = (0..self.0.len())
            .map(|word| {
                let n_having = contents.iter().filter(|counts| counts[word] > 0).count();
                COMMON / (COMMON + to_f64(n_having) / n_files)
            })
            .collect();
        let all: f64 = rarities.iter().sum();
        let matches = paths.iter().enumerate().map(|(index, path)| {
            let share = |of_word: &dyn Fn(usize, &Regex) -> f64| {
                let words = self.0.iter().enumerate().zip(&rarities);
                words.map(|((at, word), rarity)| rarity * of_word(at, word)).sum::<f64>() / all
            };
            let own = path.file_name().unwrap_or_default().as_bytes();
            let whole = path.as_os_str().as_bytes();
            let in_name = share(&|_, word| match () {
                () if word.is_match(own) => 1.0,
                () if word.is_match(whole) => IN_FOLDER,
                () => 0.0,
            });
            let counts = contents.get(index);
            let in_content = share(&|at, _| {
                counts.map_or(0.0, |counts| f64::from(counts[at]) / f64::from(OFTEN))
            });
            Match { in_name, in_content }
        });
        matches.collect()
    }
}

/// How often a word is in these bytes, as far as it matters.
fn occurrences(word: &Regex, bytes: &[u8]) -> u8 {
    (0..OFTEN).zip(word.find_iter(bytes)).fold(0, |count, _| count + 1)
}

/// A word without its ending, so that `parsing` is found in `parser`, `parse` and `parsed`.
fn stem(word: &str) -> &str {
    const ENDINGS: [&str; 7] = ["ies", "ing", "ed", "es", "s", "y", "e"];
    let stem = |ending: &&str| {
        let stem = word.strip_suffix(*ending)?;
        let is_plural = *ending != "s" || !stem.ends_with('s');
        (stem.chars().count() >= 4 && is_plural).then_some(stem)
    };
    ENDINGS.iter().find_map(stem).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::Written;

    /// How well files with these paths and texts match.
    fn matches(words: &str, files: &[(&str, &str)]) -> Vec<Match> {
        let written = Written::new(files);
        Focus::of(&[words.to_owned()]).unwrap().of_files(&written.paths, written.folder())
    }

    #[test]
    fn words_match_without_case_and_the_shares_say_how_many() {
        let found = matches(
            "Rate limit",
            &[
                ("src/rate_LIMIT.rs", ""),
                ("src/rate.rs", ""),
                ("rate/limit/x.rs", ""),
                ("x.rs", ""),
            ],
        );
        let in_name: Vec<f64> = found.iter().map(|found| found.in_name).collect();
        assert!((in_name[0] - 1.0).abs() < 1e-9 && (in_name[1] - 0.5).abs() < 1e-9);
        assert!((in_name[2] - IN_FOLDER).abs() < 1e-9 && in_name[3].abs() < 1e-9);
        assert!(Focus::of(&["- ?".to_owned()]).is_none());
    }

    #[test]
    fn a_word_that_few_files_have_counts_more_and_one_said_once_less() {
        let found = matches(
            "valve steam",
            &[
                ("a.rs", "valve valve valve"),
                ("b.rs", "steam steam steam"),
                ("c.rs", "steam"),
                ("d.rs", "steam"),
            ],
        );
        assert!(found[0].in_content > found[1].in_content, "{found:?}");
        assert!(found[1].in_content > 2.0 * found[2].in_content, "{found:?}");
    }

    #[test]
    fn words_are_found_in_their_other_forms() {
        for (word, forms) in [
            ("parsing", ["parser", "parse"]),
            ("dependencies", ["dependency", "Dependencies"]),
            ("filters", ["filter", "filtering"]),
            ("cached", ["caching", "cache"]),
        ] {
            let found = matches(word, &forms.map(|form| (form, "")));
            assert!(found.iter().all(|found| found.in_name > 0.9), "{word}: {found:?}");
        }
        for word in ["string", "access", "bus", "file"] {
            assert_eq!(stem(word), word);
        }
    }
}
