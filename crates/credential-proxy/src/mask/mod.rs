//! Finds secrets in a stream of bytes, as they are and encoded, and puts a marker in their place.
//!
//! What could be the beginning of a secret is held back until the next piece or the end tells.
//! Where secrets overlap, all that belongs to any of them is covered.

#[cfg(any(fuzzing, test))]
mod forms;
mod unit;
mod view;

use std::collections::HashSet;

use zeroize::{Zeroize as _, Zeroizing};

use self::unit::Unit;
use self::view::{Fit, View};

/// Secrets with fewer characters would shred the output of every program.
pub(crate) const MIN_CHARS: usize = 6;

/// A line of a longer secret is looked for by itself when it has at least this many characters.
const MIN_LINE: usize = 12;

/// A longer text is looked for in blocks of so many bytes, so that no more output than one of them, as
/// it may be written, is ever held back, and no more is compared again and again.
const BLOCK: usize = 4096;

/// Blocks overlap, so that one after the other is covered by one marker.
const STEP: usize = 3072;

/// The lines of a secret of more bytes are looked for as they are, and not in other forms.
const MANY_LINES: usize = 64 * 1024;

/// What to look for, shared by the streams of one child.
pub(crate) struct Patterns {
    /// From the first two bytes of what is looked for to one more than its place in `lists`; 0 for none.
    starts: Vec<u32>,
    lists: Vec<Vec<u32>>,
    /// Whether something begins with this byte.
    firsts: [bool; 256],
    all: Vec<Pattern>,
    texts: Vec<Zeroizing<Vec<u8>>>,
    markers: Vec<String>,
}

/// A text in one of the ways in which it can be written.
struct Pattern {
    text: usize,
    view: View,
    marker: usize,
}

impl Patterns {
    /// Prepares to find these secrets; each is named by its service.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut patterns = Self {
            starts: vec![0; 1 << 16],
            lists: Vec::new(),
            firsts: [false; 256],
            all: Vec::new(),
            texts: Vec::new(),
            markers: Vec::new(),
        };
        for (service, secret) in secrets {
            if secret.chars().count() < MIN_CHARS {
                continue;
            }
            patterns.markers.push(format!("[redacted:{service}]"));
            patterns.add_secret(secret);
        }
        patterns
    }

    fn add_secret(&mut self, secret: &str) {
        let mut known = HashSet::new();
        // A shell drops blanks at the ends of what is not quoted.
        for whole in [secret, secret.trim_end_matches(['\n', '\r']), secret.trim()] {
            if known.insert(whole) && whole.chars().count() >= MIN_CHARS {
                self.add_text(whole, View::all);
            }
        }
        // A terminal and many logs print a text line by line, so each line of a key counts.
        let views =
            if secret.len() > MANY_LINES { |_: &[u8]| vec![View::Plain] } else { View::all };
        for line in secret.lines() {
            if line.chars().count() >= MIN_LINE && known.insert(line) {
                self.add_text(line, views);
            }
        }
    }

    /// Adds a text whole, or in blocks.
    fn add_text(&mut self, text: &str, views: fn(&[u8]) -> Vec<View>) {
        let last = text.len().saturating_sub(BLOCK);
        let mut starts: Vec<usize> = (0..last).step_by(STEP).collect();
        starts.push(last);
        for start in starts {
            // No character is cut in two, since some ways of writing know only whole ones.
            let border = |at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at));
            let (from, to) = (border(start), border((start + BLOCK).min(text.len())));
            let block = text.get(from.unwrap_or_default()..to.unwrap_or_default());
            let block = block.unwrap_or_default().as_bytes();
            self.texts.push(Zeroizing::new(block.to_vec()));
            for view in views(block) {
                self.add(view, block);
            }
        }
    }

    /// Adds a way of writing the last text.
    fn add(&mut self, view: View, text: &[u8]) {
        let pattern = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(Pattern { text: self.texts.len() - 1, view, marker: self.markers.len() - 1 });
        view.starts(text, |first, second| {
            if let Some(known) = self.firsts.get_mut(usize::from(first)) {
                *known = true;
            }
            let Some(start) = self.starts.get_mut(key(first, second)) else { return };
            if *start == 0 {
                self.lists.push(Vec::new());
                *start = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
            }
            let place = usize::try_from(*start).unwrap_or(usize::MAX);
            if let Some(list) = self.lists.get_mut(place - 1)
                && list.last() != Some(&pattern)
            {
                list.push(pattern);
            }
        });
    }

    fn starting_with(&self, first: u8, second: u8) -> impl Iterator<Item = &Pattern> {
        let start = self.starts.get(key(first, second)).copied().unwrap_or(0);
        let place = usize::try_from(start).unwrap_or(0).checked_sub(1);
        let list = place.and_then(|place| self.lists.get(place)).map(Vec::as_slice);
        let places = list.unwrap_or_default().iter();
        places.filter_map(|place| self.all.get(usize::try_from(*place).unwrap_or(usize::MAX)))
    }

    /// What begins at the first byte of `rest`.
    fn look(&self, rest: &[u8], is_end: bool) -> Look {
        let Some(first) = rest.first().copied() else { return Look::Plain };
        if !self.firsts.get(usize::from(first)).copied().unwrap_or_default() {
            return Look::Plain;
        }
        let Some(second) = rest.get(1).copied() else {
            return if is_end { Look::Plain } else { Look::Perhaps };
        };
        let mut longest: Option<(usize, usize)> = None;
        // An escape is read once for the many lines of a key that could begin with it.
        let mut read: Option<(View, Option<Unit>)> = None;
        for pattern in self.starting_with(first, second) {
            let Some(text) = self.texts.get(pattern.text) else { continue };
            if read.is_none_or(|(view, _)| view != pattern.view) {
                read = Some((pattern.view, pattern.view.first(rest)));
            }
            if let Some((_, Some(unit))) = read
                && unit.n_of(text) == 0
            {
                continue;
            }
            let len = match pattern.view.fit(text, rest) {
                Fit::Whole(len) => len,
                Fit::AtLeast(len) if is_end => len,
                Fit::AtLeast(_) | Fit::Perhaps if !is_end => return Look::Perhaps,
                Fit::No | Fit::AtLeast(_) | Fit::Perhaps => continue,
            };
            if longest.is_none_or(|(longest, _)| len > longest) {
                longest = Some((len, pattern.marker));
            }
        }
        longest.map_or(Look::Plain, |(len, marker)| Look::Secret { len, marker })
    }
}

fn key(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}

enum Look {
    Plain,
    Secret { len: usize, marker: usize },
    Perhaps,
}

/// What has to be found at least, written out, for tests.
#[cfg(any(fuzzing, test))]
pub(crate) fn forms_of(secret: &str) -> Vec<Vec<u8>> {
    if secret.chars().count() < MIN_CHARS {
        return Vec::new();
    }
    forms::all(secret).into_iter().collect()
}

/// One stream on its way.
pub(crate) struct Masker<'a> {
    patterns: &'a Patterns,
    held: Vec<u8>,
    /// So many of the held bytes belong to a secret whose marker is printed already.
    n_covered: usize,
    last_marker: usize,
}

impl<'a> Masker<'a> {
    pub(crate) fn new(patterns: &'a Patterns) -> Self {
        Self { patterns, held: Vec::new(), n_covered: 0, last_marker: 0 }
    }

    /// Takes the next piece and gives what can be printed now.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        self.take(false)
    }

    /// Gives the rest: nothing more will come.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.take(true)
    }

    fn take(&mut self, is_end: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while let Some((byte, rest)) =
            self.held.get(at..).and_then(|rest| Some((*rest.first()?, rest)))
        {
            match self.patterns.look(rest, is_end) {
                Look::Plain => {}
                Look::Perhaps => break,
                Look::Secret { len, marker } => {
                    let is_inside = at < self.n_covered;
                    let is_more = at + len > self.n_covered;
                    if is_more && !(is_inside && marker == self.last_marker) {
                        let text = self.patterns.markers.get(marker);
                        out.extend_from_slice(text.map(String::as_bytes).unwrap_or_default());
                        self.last_marker = marker;
                    }
                    self.n_covered = self.n_covered.max(at + len);
                }
            }
            if at >= self.n_covered {
                out.push(byte);
            }
            at += 1;
        }
        if let Some(done) = self.held.get_mut(..at) {
            done.zeroize();
        }
        self.held.drain(..at);
        self.n_covered = self.n_covered.saturating_sub(at);
        out
    }
}

impl Drop for Masker<'_> {
    fn drop(&mut self) {
        self.held.zeroize();
    }
}

#[cfg(test)]
mod tests;
