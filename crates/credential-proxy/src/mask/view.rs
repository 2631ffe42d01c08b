//! The ways in which programs write a text, and whether what is there is the text in one of them.
//!
//! Nothing is written out beforehand: a piece of output is read as the way says, character by
//! character, beside the text. So a text can be long, and escapes can be mixed as any encoder likes.

use super::MIN_CHARS;
use super::unit::{self, First, Unit};

/// How a text may have been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// As it is. A terminal turns a newline into two characters.
    Plain,
    /// With the escapes of JSON, JavaScript and shells, as deep as this: an escaped text can be escaped again.
    Escaped(u8),
    /// In percent form, as deep as this.
    Percent(u8),
    /// In hexadecimal digits, perhaps in groups and lines.
    Hex,
    /// In base64 of either alphabet, perhaps in lines. What was encoded has `offset` bytes modulo 3 before
    /// the text, and the first `skip` characters are not looked for.
    Base64 { offset: u8, skip: u8 },
}

/// An escaped text inside of an escaped text inside of another: logs do that.
const DEEPEST_ESCAPES: u8 = 3;

/// A URL as a parameter of a URL.
const DEEPEST_PERCENT: u8 = 2;

/// How a text fits to the beginning of what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    No,
    /// So many bytes are it.
    Whole(usize),
    /// So many bytes are it, and more may belong to it.
    AtLeast(usize),
    /// What is there ends within it.
    Perhaps,
}

/// What programs put between the characters when they break them into lines or groups.
struct Gaps {
    bytes: &'static [u8],
    /// A gap counts only behind so many bytes: less would hold back the end of many a harmless line.
    after: usize,
}

/// More bytes than these are no line break.
const MAX_GAP: usize = 2;

/// `base64` breaks its lines, and so do `xxd` and mail.
const IN_BASE64: Gaps = Gaps { bytes: b"\r\n", after: 4 };

/// `xxd` and `openssl` group the digits as well.
const IN_HEX: Gaps = Gaps { bytes: b"\r\n :", after: 2 };

impl View {
    /// All views of a text that find more than another one does.
    pub(super) fn all(text: &[u8]) -> Vec<Self> {
        let mut views = vec![Self::Plain, Self::Hex];
        // What is undone once too often changes only where an escape comes out.
        let depths =
            |mark, deepest| if text.contains(&mark) { 1..=deepest } else { deepest..=deepest };
        views.extend(depths(b'\\', DEEPEST_ESCAPES).map(Self::Escaped));
        views.extend(depths(b'%', DEEPEST_PERCENT).map(Self::Percent));
        for offset in 0..3 {
            // A line can also break before a gap counts; then the rest is found by itself.
            let n_skips = if offset == 0 { 4 } else { 5 };
            views.extend((0..n_skips).map(|skip| Self::Base64 { offset, skip }).filter(|view| {
                let base64 = Base64::new(text, offset);
                base64.n_whole.saturating_sub(base64.first + usize::from(view.skip())) >= MIN_CHARS
            }));
        }
        views
    }

    fn skip(self) -> u8 {
        if let Self::Base64 { skip, .. } = self { skip } else { 0 }
    }

    /// Calls `add` with every pair of bytes with which the text can begin.
    pub(super) fn starts(self, text: &[u8], mut add: impl FnMut(u8, u8)) {
        let (Some(&first), Some(&second)) = (text.first(), text.get(1)) else { return };
        match self {
            Self::Plain => {
                add(first, second);
                if first == b'\n' {
                    add(b'\r', b'\n');
                }
                if second == b'\n' {
                    add(first, b'\r');
                }
            }
            Self::Escaped(_) => {
                add(first, second);
                add(first, b'\\');
                for kind in b"\\uUxabefnrtv01234567".iter().chain([&first]) {
                    add(b'\\', *kind);
                }
            }
            Self::Percent(_) => {
                let firsts = [Some(first), (first == b' ').then_some(b'+')];
                let seconds = [Some(second), (second == b' ').then_some(b'+'), Some(b'%')];
                for one in firsts.into_iter().flatten() {
                    seconds.into_iter().flatten().for_each(|other| add(one, other));
                }
                for digit in digits(first >> 4).chain([b'2']) {
                    add(b'%', digit);
                }
            }
            Self::Hex => {
                for one in digits(first >> 4) {
                    digits(first & 15).for_each(|other| add(one, other));
                }
            }
            Self::Base64 { offset, skip } => {
                let base64 = Base64::new(text, offset);
                let from = base64.first + usize::from(skip);
                for one in base64.characters(from) {
                    base64.characters(from + 1).for_each(|other| add(one, other));
                }
            }
        }
    }

    /// What stands at the beginning of what is there, where that does not depend on the text.
    pub(super) fn first(self, rest: &[u8]) -> Option<Unit> {
        let first = match self {
            Self::Escaped(depth) => unit::unescaped(rest, depth),
            Self::Percent(depth) => unit::from_percent(rest, depth),
            Self::Plain | Self::Hex | Self::Base64 { .. } => return None,
        };
        first.ok().map(|(unit, _)| unit)
    }

    /// Whether the text begins here.
    pub(super) fn fit(self, text: &[u8], rest: &[u8]) -> Fit {
        match self {
            Self::Plain => fit_plain(text, rest),
            Self::Escaped(depth) => fit_units(text, rest, |rest| unit::unescaped(rest, depth)),
            Self::Percent(depth) => fit_units(text, rest, |rest| unit::from_percent(rest, depth)),
            Self::Hex => {
                let digits = text.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                let value = |found: u8| char::from(found).to_digit(16);
                match fit_digits(digits, rest, 0, &IN_HEX, |found, wanted| {
                    value(found) == Some(u32::from(wanted))
                }) {
                    Ok(len) => Fit::Whole(len),
                    Err(fit) => fit,
                }
            }
            Self::Base64 { offset, skip } => Base64::new(text, offset).fit(skip, rest),
        }
    }
}

/// A hexadecimal digit in both cases.
fn digits(value: u8) -> impl Iterator<Item = u8> {
    let lower = char::from_digit(u32::from(value), 16).map_or(b'0', |digit| digit as u8);
    [lower, lower.to_ascii_uppercase()].into_iter()
}

fn fit_plain(text: &[u8], rest: &[u8]) -> Fit {
    if rest.starts_with(text) {
        return Fit::Whole(text.len());
    }
    let mut at = 0;
    for wanted in text {
        let mut found = rest.get(at);
        if *wanted == b'\n' && found == Some(&b'\r') {
            at += 1;
            found = rest.get(at);
        }
        match found {
            None => return Fit::Perhaps,
            Some(found) if found == wanted => at += 1,
            Some(_) => return Fit::No,
        }
    }
    Fit::Whole(at)
}

fn fit_units(text: &[u8], rest: &[u8], next: impl Fn(&[u8]) -> First) -> Fit {
    let (mut left, mut at) = (text, 0);
    while !left.is_empty() {
        let Ok((unit, len)) = next(rest.get(at..).unwrap_or_default()) else {
            return Fit::Perhaps;
        };
        let n_bytes = unit.n_of(left);
        if n_bytes == 0 {
            return Fit::No;
        }
        left = left.get(n_bytes..).unwrap_or_default();
        at += len;
    }
    Fit::Whole(at)
}

/// Compares digit by digit from `at` on, with gaps; where the digits end, or why they are not there.
fn fit_digits<T: Copy>(
    wanted: impl Iterator<Item = T>,
    rest: &[u8],
    mut at: usize,
    gaps: &Gaps,
    is: impl Fn(u8, T) -> bool,
) -> Result<usize, Fit> {
    let mut gap = 0;
    for wanted in wanted {
        loop {
            let found = *rest.get(at).ok_or(Fit::Perhaps)?;
            if is(found, wanted) {
                break;
            }
            if gap == MAX_GAP || at < gaps.after || !gaps.bytes.contains(&found) {
                return Err(Fit::No);
            }
            gap += 1;
            at += 1;
        }
        at += 1;
        gap = 0;
    }
    Ok(at)
}

/// A text inside of a base64 text, as the values of its characters.
struct Base64<'a> {
    text: &'a [u8],
    offset: usize,
    /// The first character that has bits of the text.
    first: usize,
    /// So many characters, from the very first, have no bits of what follows.
    n_whole: usize,
}

impl<'a> Base64<'a> {
    fn new(text: &'a [u8], offset: u8) -> Self {
        let offset = usize::from(offset);
        Self { text, offset, first: offset * 8 / 6, n_whole: (offset + text.len()) * 8 / 6 }
    }

    fn byte(&self, place: usize) -> u16 {
        place
            .checked_sub(self.offset)
            .and_then(|place| self.text.get(place))
            .map_or(0, |byte| u16::from(*byte))
    }

    /// The value of a character, and which of its bits belong to the text.
    fn value(&self, place: usize) -> (u8, u8) {
        let bit = place * 6;
        let pair = self.byte(bit / 8) << 8 | self.byte(bit / 8 + 1);
        let value = u8::try_from(pair >> (10 - bit % 8) & 63).unwrap_or_default();
        let before = (self.offset * 8).saturating_sub(bit).min(6);
        let after = (bit + 6).saturating_sub((self.offset + self.text.len()) * 8).min(6);
        (value, 63 >> before & (63 << after))
    }

    /// What can stand at a place.
    fn characters(&self, place: usize) -> impl Iterator<Item = u8> {
        let wanted = self.value(place);
        (b'+'..=b'z').filter(move |character| is_value(*character, wanted))
    }

    fn fit(&self, skip: u8, rest: &[u8]) -> Fit {
        let from = self.first + usize::from(skip);
        let n_characters = ((self.offset + self.text.len()) * 8).div_ceil(6);
        let fit_to = |at: usize, places: std::ops::Range<usize>| {
            let wanted = places.map(|place| self.value(place));
            fit_digits(wanted, rest, at, &IN_BASE64, is_value)
        };
        let whole = match fit_to(0, from..self.n_whole) {
            Ok(len) => len,
            Err(fit) => return fit,
        };
        // It may be cut off before the last character, which has a few bits of the text.
        let mut len = match fit_to(whole, self.n_whole..n_characters) {
            Ok(len) => len,
            Err(Fit::Perhaps) => return Fit::AtLeast(whole),
            Err(_) => return Fit::Whole(whole),
        };
        for _ in 0..(4 - n_characters % 4) % 4 {
            match rest.get(len) {
                None => return Fit::AtLeast(len),
                Some(b'=') => len += 1,
                Some(_) => break,
            }
        }
        Fit::Whole(len)
    }
}

/// Whether a base64 character of either alphabet has this value in these bits.
fn is_value(character: u8, (value, bits): (u8, u8)) -> bool {
    let found = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return false,
    };
    (found ^ value) & bits == 0
}
