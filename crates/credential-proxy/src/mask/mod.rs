//! Finds secrets in a stream of bytes, as they are and encoded, and puts a marker in their place.
//!
//! What could be the beginning of a secret is held back until the next piece or the end tells.
//! Where secrets overlap, all that belongs to any of them is covered.

mod forms;

use zeroize::{Zeroize as _, Zeroizing};

use self::forms::{Gaps, MAX_GAP};

/// Secrets with fewer characters would shred the output of every program.
pub(crate) const MIN_CHARS: usize = 6;

/// What to look for, shared by the streams of one child.
pub(crate) struct Patterns {
    /// From the first two bytes of a form to one more than its place in `lists`; 0 for none.
    starts: Vec<u32>,
    lists: Vec<Vec<Pattern>>,
    /// Whether a form begins with this byte.
    firsts: [bool; 256],
    markers: Vec<String>,
}

struct Pattern {
    bytes: Zeroizing<Vec<u8>>,
    gaps: Gaps,
    marker: usize,
}

/// How a pattern fits to the beginning of what is there.
enum Fit {
    No,
    /// So many bytes are it.
    Whole(usize),
    /// What is there ends within it.
    Perhaps,
}

impl Pattern {
    fn fit(&self, rest: &[u8]) -> Fit {
        if self.gaps.bytes.is_empty() {
            return if rest.starts_with(&self.bytes) {
                Fit::Whole(self.bytes.len())
            } else if self.bytes.starts_with(rest) {
                Fit::Perhaps
            } else {
                Fit::No
            };
        }
        let (mut at, mut gap) = (0, 0);
        for wanted in self.bytes.iter() {
            loop {
                match rest.get(at) {
                    None => return Fit::Perhaps,
                    Some(found) if found == wanted => break,
                    Some(found) if gap < MAX_GAP && at >= self.gaps.after => {
                        if !self.gaps.bytes.contains(found) {
                            return Fit::No;
                        }
                        gap += 1;
                    }
                    Some(_) => return Fit::No,
                }
                at += 1;
            }
            at += 1;
            gap = 0;
        }
        Fit::Whole(at)
    }
}

impl Patterns {
    /// Prepares to find these secrets; each is named by its service.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut patterns = Self {
            starts: vec![0; 1 << 16],
            lists: Vec::new(),
            firsts: [false; 256],
            markers: Vec::new(),
        };
        for (service, secret) in secrets {
            if secret.chars().count() < MIN_CHARS {
                continue;
            }
            patterns.markers.push(format!("[redacted:{service}]"));
            for form in forms::all(secret) {
                patterns.add(form, patterns.markers.len() - 1);
            }
        }
        patterns
    }

    fn add(&mut self, form: forms::Form, marker: usize) {
        let (Some(first), Some(second)) = (form.bytes.first(), form.bytes.get(1)) else { return };
        if let Some(known) = self.firsts.get_mut(usize::from(*first)) {
            *known = true;
        }
        let Some(start) = self.starts.get_mut(key(*first, *second)) else { return };
        if *start == 0 {
            self.lists.push(Vec::new());
            *start = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        }
        let place = usize::try_from(*start).unwrap_or(usize::MAX);
        if let Some(list) = self.lists.get_mut(place - 1) {
            list.push(Pattern { bytes: Zeroizing::new(form.bytes), gaps: form.gaps, marker });
        }
    }

    fn starting_with(&self, first: u8, second: u8) -> &[Pattern] {
        let start = self.starts.get(key(first, second)).copied().unwrap_or(0);
        let place = usize::try_from(start).unwrap_or(0).checked_sub(1);
        place.and_then(|place| self.lists.get(place)).map(Vec::as_slice).unwrap_or_default()
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
        for pattern in self.starting_with(first, second) {
            match pattern.fit(rest) {
                Fit::Whole(len) if longest.is_none_or(|(longest, _)| len > longest) => {
                    longest = Some((len, pattern.marker));
                }
                Fit::Perhaps if !is_end => return Look::Perhaps,
                _ => {}
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

/// What is looked for, for the fuzz targets.
#[cfg(any(fuzzing, test))]
pub(crate) fn forms_of(secret: &str) -> Vec<Vec<u8>> {
    if secret.chars().count() < MIN_CHARS {
        return Vec::new();
    }
    forms::all(secret).into_iter().map(|form| form.bytes).collect()
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
