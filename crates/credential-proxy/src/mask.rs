//! Finds secrets in a stream of bytes, as they are and encoded, and puts a marker in their place.
//!
//! What could be the beginning of a secret is held back until the next piece or the end tells.

use std::collections::HashSet;

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::{Zeroize as _, Zeroizing};

/// Secrets with fewer characters would shred the output of every program.
pub(crate) const MIN_CHARS: usize = 6;

/// What to look for, shared by the streams of one child.
pub(crate) struct Patterns {
    /// The longest first, so that the longest match wins.
    by_first_byte: Vec<Vec<Pattern>>,
}

struct Pattern {
    bytes: Zeroizing<Vec<u8>>,
    marker: String,
}

impl Patterns {
    /// Prepares to find these secrets; each is named by its service.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut by_first_byte: Vec<Vec<Pattern>> = (0..256).map(|_| Vec::new()).collect();
        for (service, secret) in secrets {
            if secret.chars().count() < MIN_CHARS {
                continue;
            }
            let marker = format!("[redacted:{service}]");
            for bytes in forms(secret) {
                if let Some(first) = bytes.first()
                    && let Some(list) = by_first_byte.get_mut(usize::from(*first))
                {
                    list.push(Pattern { bytes: Zeroizing::new(bytes), marker: marker.clone() });
                }
            }
        }
        for list in &mut by_first_byte {
            list.sort_by_key(|pattern| std::cmp::Reverse(pattern.bytes.len()));
        }
        Self { by_first_byte }
    }

    fn starting_with(&self, byte: u8) -> &[Pattern] {
        self.by_first_byte.get(usize::from(byte)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// All forms in which a secret is looked for.
fn forms(secret: &str) -> HashSet<Vec<u8>> {
    let mut forms = HashSet::new();
    // A terminal and many logs print a text line by line, so each line of a key counts.
    let lines = secret.lines().filter(|line| line.chars().count() >= MIN_CHARS.max(12));
    // A shell drops blanks at the ends of what is not quoted.
    let whole = [secret, secret.trim_end_matches(['\n', '\r']), secret.trim()];
    for text in whole.into_iter().chain(lines) {
        if text.chars().count() < MIN_CHARS {
            continue;
        }
        let bytes = text.as_bytes();
        forms.insert(bytes.to_vec());
        // A pseudo-terminal turns a newline into two characters.
        forms.insert(text.replace('\n', "\r\n").into_bytes());
        for upper in [false, true] {
            forms.insert(hex(bytes, upper));
        }
        for keep in ["-_.~", "-_.!~*'()", "-_.~/", ""] {
            for plus in [false, true] {
                for upper in [false, true] {
                    forms.insert(percent(bytes, keep, plus, upper));
                }
            }
        }
        for ascii in [false, true] {
            let escaped = json_escaped(text, ascii);
            forms.insert(escaped.replace('/', "\\/").into_bytes());
            forms.insert(escaped.into_bytes());
        }
        for offset in 0..3 {
            forms.insert(base64_at(&STANDARD_NO_PAD, bytes, offset));
            forms.insert(base64_at(&URL_SAFE_NO_PAD, bytes, offset));
        }
    }
    forms.retain(|form| form.len() >= MIN_CHARS);
    forms
}

fn hex(bytes: &[u8], upper: bool) -> Vec<u8> {
    let digit = |value: u8| match (value, upper) {
        (0..=9, _) => b'0' + value,
        (_, true) => b'A' + value - 10,
        (_, false) => b'a' + value - 10,
    };
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn percent(bytes: &[u8], keep: &str, plus: bool, upper: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 3);
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || keep.as_bytes().contains(byte) {
            text.push(*byte);
        } else if *byte == b' ' && plus {
            text.push(b'+');
        } else {
            text.push(b'%');
            text.extend(hex(&[*byte], upper));
        }
    }
    text
}

/// The text inside a JSON string, without the quotes.
fn json_escaped(text: &str, ascii: bool) -> String {
    let mut escaped = if ascii {
        let mut escaped = String::new();
        crate::protocol::push_string(&mut escaped, text);
        escaped
    } else {
        serde_json::to_string(text).unwrap_or_default()
    };
    let inner = escaped.get(1..escaped.len().saturating_sub(1)).unwrap_or_default().to_owned();
    escaped.zeroize();
    inner
}

/// The part of a base64 text that depends on `bytes` alone, when they begin at `offset` modulo 3.
fn base64_at(engine: &impl base64::Engine, bytes: &[u8], offset: usize) -> Vec<u8> {
    let mut shifted = Zeroizing::new(vec![0; offset]);
    shifted.extend_from_slice(bytes);
    let text = Zeroizing::new(engine.encode(&*shifted).into_bytes());
    // The characters at the borders also depend on what stands beside the secret.
    let start = [0, 2, 3].get(offset).copied().unwrap_or(0);
    let end = shifted.len() * 8 / 6;
    text.get(start..end).unwrap_or_default().to_vec()
}

/// One stream on its way.
pub(crate) struct Masker<'a> {
    patterns: &'a Patterns,
    held: Vec<u8>,
}

impl<'a> Masker<'a> {
    pub(crate) fn new(patterns: &'a Patterns) -> Self {
        Self { patterns, held: Vec::new() }
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
        while let Some(rest) = self.held.get(at..).filter(|rest| !rest.is_empty()) {
            match look(self.patterns, rest, is_end) {
                Look::Plain => {
                    out.extend(rest.first());
                    at += 1;
                }
                Look::Secret(pattern) => {
                    out.extend_from_slice(pattern.marker.as_bytes());
                    at += pattern.bytes.len();
                }
                Look::Perhaps => break,
            }
        }
        let done = at.min(self.held.len());
        if let Some(done) = self.held.get_mut(..done) {
            done.zeroize();
        }
        self.held.drain(..done);
        out
    }
}

impl Drop for Masker<'_> {
    fn drop(&mut self) {
        self.held.zeroize();
    }
}

enum Look<'a> {
    Plain,
    Secret(&'a Pattern),
    Perhaps,
}

/// What begins at the first byte of `rest`.
fn look<'a>(patterns: &'a Patterns, rest: &[u8], is_end: bool) -> Look<'a> {
    let Some(first) = rest.first() else { return Look::Plain };
    for pattern in patterns.starting_with(*first) {
        if rest.starts_with(&pattern.bytes) {
            return Look::Secret(pattern);
        }
        if !is_end && pattern.bytes.starts_with(rest) {
            return Look::Perhaps;
        }
    }
    Look::Plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    const SECRET: &str = "s3cr\"t/ü+ pass>word?";

    fn masked(patterns: &Patterns, pieces: &[&[u8]]) -> String {
        let mut masker = Masker::new(patterns);
        let mut out: Vec<u8> = pieces.iter().flat_map(|piece| masker.push(piece)).collect();
        out.extend(masker.finish());
        String::from_utf8_lossy(&out).into_owned()
    }

    fn one(text: &str) -> String {
        masked(&Patterns::new([("svc", SECRET)]), &[text.as_bytes()])
    }

    #[test]
    fn a_secret_is_masked_as_it_is_and_in_every_encoding() {
        for text in [
            SECRET.to_owned(),
            STANDARD.encode(SECRET),
            URL_SAFE.encode(SECRET),
            hex(SECRET.as_bytes(), false).iter().map(|b| char::from(*b)).collect(),
            hex(SECRET.as_bytes(), true).iter().map(|b| char::from(*b)).collect(),
            "s3cr%22t%2F%C3%BC%2B%20pass%3Eword%3F".to_owned(),
            "s3cr%22t%2f%c3%bc%2b+pass%3eword%3f".to_owned(),
            serde_json::to_string(SECRET).unwrap(),
            "s3cr\\\"t/\\u00fc+ pass>word?".to_owned(),
            "s3cr\\\"t\\/ü+ pass>word?".to_owned(),
        ] {
            let shown = one(&format!("<{text}>"));
            assert!(shown.contains("[redacted:svc]"), "{text} became {shown}");
        }
    }

    #[test]
    fn base64_around_a_secret_leaks_nothing_of_it_at_any_offset() {
        for before in ["", "x", "xy", "xyz", "user:"] {
            let text = STANDARD.encode(format!("{before}{SECRET} and more"));
            let shown = one(&text);
            assert!(shown.contains("[redacted:svc]"), "{before}");
            // At most the six border bits on either side remain.
            assert!(shown.len() < "[redacted:svc]".len() + before.len() * 2 + 20, "{shown}");
        }
    }

    #[test]
    fn several_secrets_have_their_own_names_and_the_longest_match_wins() {
        let patterns = Patterns::new([("short", "abcdef"), ("long", "abcdefghij")]);
        assert_eq!(
            masked(&patterns, &[b"abcdefghij abcdef abcde"]),
            "[redacted:long] [redacted:short] abcde"
        );
    }

    #[test]
    fn short_secrets_are_left_alone_and_nothing_is_held_back_for_ever() {
        let patterns = Patterns::new([("pin", "12345"), ("real", "123456")]);
        assert_eq!(masked(&patterns, &[b"12345"]), "12345");
        let mut masker = Masker::new(&patterns);
        assert_eq!(masker.push(b"hello\n"), b"hello\n");
        assert_eq!(masker.push(b"12"), b"");
        assert_eq!(masker.push(b"9"), b"129");
    }

    #[test]
    fn lines_of_a_long_key_are_masked_one_by_one() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqh\nkiG9w0BAQEFAASCBK\n-----END KEY-----\n";
        let patterns = Patterns::new([("key", key)]);
        assert!(!masked(&patterns, &[b"got kiG9w0BAQEFAASCBK here"]).contains("kiG9w"));
        assert_eq!(masked(&patterns, &[key.as_bytes()]), "[redacted:key]");
        assert_eq!(
            masked(&patterns, &[key.replace('\n', "\r\n").as_bytes()]).matches("BEGIN").count(),
            0
        );
    }

    proptest! {
        #[test]
        fn however_the_stream_is_cut_the_outcome_is_the_same(
            before in "[a-z\\[%=]{0,12}", after in ".{0,12}", cuts in proptest::collection::vec(0_usize..200, 0..8)
        ) {
            let patterns = Patterns::new([("svc", SECRET), ("two", "another-secret")]);
            let text = format!("{before}{SECRET}{after}another-secret{before}");
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            let shown = masked(&patterns, &pieces);
            prop_assert_eq!(&shown, &masked(&patterns, &[bytes]));
            prop_assert!(!shown.contains(SECRET));
            prop_assert!(!shown.contains("another-secret"));
        }

        #[test]
        fn output_without_secrets_is_passed_on_exactly(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let patterns = Patterns::new([("svc", "this-never-appears-in-random-bytes")]);
            let mut masker = Masker::new(&patterns);
            let mut out = masker.push(&text);
            out.extend(masker.finish());
            prop_assert_eq!(out, text);
        }
    }
}
