//! What is in a file without its bodies: signatures, types, headings, keys.
//!
//! An outline is made of lines of the file, so that what it shows can be found in the file; only a
//! signature that takes several lines is joined to one. It never fails: a file in no known
//! language, or one that does not parse, is outlined by the shape of its lines.

#[cfg(feature = "grammars")]
mod grammar;
mod shape;
#[cfg(test)]
mod tests;

use crate::kind::Language;
use crate::lines::{ends, lines};

/// The longest line of an outline, in characters.
const WIDTH: usize = 120;

/// A line of an outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where it is in the file, counted from 0.
    pub(crate) at: usize,
    /// How deep the line stands; 0 is the outermost.
    pub(crate) depth: usize,
    /// The line with its indentation, without what follows the signature.
    pub(crate) line: String,
}

/// The outline of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Its lines in the order of the file.
    pub(crate) items: Vec<Item>,
}

impl Outline {
    /// The outline of a text in a language: of its first `n_parsed` bytes from a parser, of the
    /// rest from the shape of its lines.
    pub(crate) fn of(text: &str, language: Option<Language>, n_parsed: usize) -> Self {
        let tag = language.map_or("", |language| language.tag);
        let (head, rest) = text.split_at_checked(n_parsed).unwrap_or((text, ""));
        let mut items = if head.is_empty() { Vec::new() } else { parsed(head, tag) };
        // A head that ends within a line leaves that line to the rest.
        let n_lines = if items.is_empty() { 0 } else { ends(head) };
        let shaped = if items.is_empty() { text } else { rest };
        items.extend(
            shape::items(shaped, tag)
                .into_iter()
                .map(|item| Item { at: item.at + n_lines, ..item }),
        );
        if items.is_empty() {
            items = lines(text)
                .enumerate()
                .filter(|(_, line)| !line.trim().is_empty())
                .take(4)
                .map(|(at, line)| Item { at, depth: 0, line: line.to_owned() })
                .collect();
        }
        for item in &mut items {
            item.shorten();
        }
        items.dedup();
        Self { items }
    }

    /// How many bytes of a text are worth parsing when about `n_bytes` are enough: up to a line that
    /// stands at the margin, before which everything is closed; all when there is none.
    pub(crate) fn worth_parsing(text: &str, language: Option<Language>, n_bytes: usize) -> usize {
        if !language.is_some_and(|language| has_parser(language.tag)) {
            return 0;
        }
        let end = (0..=n_bytes).rev().find(|end| text.is_char_boundary(*end));
        let Some(head) = end.and_then(|end| text.get(..end)).filter(|_| n_bytes < text.len())
        else {
            return text.len();
        };
        let starts = |end: usize| {
            text.get(end + 1..).is_some_and(|rest| {
                rest.starts_with(|first: char| {
                    first.is_ascii_alphabetic() || "/#@_".contains(first)
                })
            })
        };
        let ends = head.rmatch_indices("\n\n").map(|(end, _)| end + 1);
        ends.take_while(|end| end * 2 > n_bytes)
            .find(|end| starts(*end))
            .map_or(text.len(), |end| end + 1)
    }

    /// The headings of a Markdown text.
    pub(crate) fn headings(text: &str) -> Vec<String> {
        shape::items(text, "markdown").into_iter().map(|item| item.line).collect()
    }

    /// The outline in at most `n_bytes`, the outermost lines first, and how many lines are missing.
    pub(crate) fn within(&self, n_bytes: usize) -> (String, usize) {
        let taken = self.choose(n_bytes);
        let kept = self.items.iter().zip(&taken).filter(|(_, taken)| **taken);
        let text: String = kept.flat_map(|(item, _)| [item.line.as_str(), "\n"]).collect();
        (text, taken.iter().filter(|taken| !**taken).count())
    }

    /// The items that fit `n_bytes`, the outermost first.
    pub(crate) fn choose(&self, n_bytes: usize) -> Vec<bool> {
        let mut taken = vec![false; self.items.len()];
        let mut left = n_bytes;
        let mut depths: Vec<usize> = self.items.iter().map(|item| item.depth).collect();
        depths.sort_unstable();
        depths.dedup();
        'full: for depth in depths {
            for (item, taken) in
                self.items.iter().zip(&mut taken).filter(|(item, _)| item.depth == depth)
            {
                let price = item.line.len() + 1;
                if price > left {
                    break 'full;
                }
                left -= price;
                *taken = true;
            }
        }
        if let Some(first) = taken.first_mut()
            && left == n_bytes
        {
            *first = true;
        }
        taken
    }
}

/// Whether there is a parser for a language.
#[cfg(feature = "grammars")]
fn has_parser(tag: &str) -> bool {
    grammar::knows(tag)
}

/// Whether there is a parser for a language; this program was built without any.
#[cfg(not(feature = "grammars"))]
fn has_parser(_tag: &str) -> bool {
    false
}

/// What a parser finds; nothing when there is none for the language.
#[cfg(feature = "grammars")]
fn parsed(text: &str, tag: &str) -> Vec<Item> {
    grammar::items(text, tag).unwrap_or_default()
}

/// What a parser finds; nothing, since this program was built without any.
#[cfg(not(feature = "grammars"))]
fn parsed(_text: &str, _tag: &str) -> Vec<Item> {
    Vec::new()
}

impl Item {
    fn shorten(&mut self) {
        let trimmed = self.line.trim_end();
        let end = trimmed.char_indices().nth(WIDTH).map_or(trimmed.len(), |(index, _)| index);
        let is_cut = end < trimmed.len();
        self.line.truncate(end);
        if is_cut {
            self.line.push('…');
        }
    }
}
