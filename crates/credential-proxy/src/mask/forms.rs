//! A secret written out as programs write it, for tests: as it is, in hexadecimal, percent, JSON and base64.

use std::collections::HashSet;

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::{Zeroize as _, Zeroizing};

use super::{MIN_CHARS, MIN_LINE};

/// The bytes that the percent forms of different languages leave as they are, beside letters and digits.
const KEPT: [&str; 8] =
    ["", "-_.", "-_.~", "-_.~/", "-_.*", "-_.!~*'()", "-_.~$&+=:@", "-_.!~*'();/?:@&=+$,#"];

/// All forms in which a secret must be found.
pub(super) fn all(secret: &str) -> HashSet<Vec<u8>> {
    let mut forms = HashSet::new();
    // A shell drops blanks at the ends of what is not quoted.
    let whole: HashSet<&str> =
        [secret, secret.trim_end_matches(['\n', '\r']), secret.trim()].into();
    for text in whole {
        if text.chars().count() >= MIN_CHARS {
            add(&mut forms, text);
            add_border_bits(&mut forms, text.as_bytes());
        }
    }
    // A terminal and many logs print a text line by line, so each line of a key counts.
    for line in secret.lines().filter(|line| line.chars().count() >= MIN_LINE) {
        add(&mut forms, line);
    }
    forms.retain(|form| form.len() >= MIN_CHARS);
    forms
}

fn add(forms: &mut HashSet<Vec<u8>>, text: &str) {
    let bytes = text.as_bytes();
    let mut plain = |bytes| {
        forms.insert(bytes);
    };
    plain(bytes.to_vec());
    // A pseudo-terminal turns a newline into two characters.
    plain(text.replace('\n', "\r\n").into_bytes());
    for keep in KEPT {
        for plus in [false, true] {
            for upper in [false, true] {
                plain(percent(bytes, Some(keep), plus, upper));
            }
        }
    }
    for upper in [false, true] {
        plain(percent(bytes, None, false, upper));
    }
    for json in json_escaped(text) {
        plain(json);
    }
    for upper in [false, true] {
        forms.insert(hex(bytes, upper));
    }
    for url_safe in [false, true] {
        for offset in 0..3 {
            let Base64 { text, core } = Base64::new(bytes, offset, url_safe);
            let mut base64 = |bytes: &[u8]| {
                // A line can also break before a gap counts; then the rest is found by itself.
                for n_before in 0..4 {
                    forms.insert(bytes.get(n_before..).unwrap_or_default().to_vec());
                }
            };
            base64(text.get(core.clone()).unwrap_or_default());
            // The secret ends what was encoded, with or without the padding.
            let mut end = Zeroizing::new(text.get(core.start..).unwrap_or_default().to_vec());
            base64(&end);
            while !(core.start + end.len()).is_multiple_of(4) {
                end.push(b'=');
            }
            base64(&end);
        }
    }
}

/// Adds the base64 forms with every character that can stand at a border, since such a character
/// has some bits of the secret and some of its neighbor.
fn add_border_bits(forms: &mut HashSet<Vec<u8>>, bytes: &[u8]) {
    for url_safe in [false, true] {
        for offset in 0..3 {
            for neighbor in 0..64_u8 {
                let mut padded = Zeroizing::new(vec![neighbor << 2 | neighbor >> 4; offset]);
                padded.extend_from_slice(bytes);
                padded.push(neighbor << 2);
                let text = Zeroizing::new(encode(&padded, url_safe));
                let core = core(offset, bytes.len());
                let from = core.start.saturating_sub(usize::from(offset > 0));
                let to = core.end + usize::from(!((offset + bytes.len()) * 8).is_multiple_of(6));
                for range in [from..core.end, core.start..to] {
                    if let Some(bytes) = text.get(range) {
                        forms.insert(bytes.to_vec());
                    }
                }
            }
        }
    }
}

/// A base64 text in which the secret begins at `offset` modulo 3.
struct Base64 {
    text: Zeroizing<Vec<u8>>,
    /// The part that depends on the secret alone.
    core: std::ops::Range<usize>,
}

impl Base64 {
    fn new(bytes: &[u8], offset: usize, url_safe: bool) -> Self {
        let mut shifted = Zeroizing::new(vec![0; offset]);
        shifted.extend_from_slice(bytes);
        let text = Zeroizing::new(encode(&shifted, url_safe));
        Self { text, core: core(offset, bytes.len()) }
    }
}

fn core(offset: usize, len: usize) -> std::ops::Range<usize> {
    let start = [0, 2, 3].get(offset).copied().unwrap_or(0);
    start..((offset + len) * 8 / 6).max(start)
}

fn encode(bytes: &[u8], url_safe: bool) -> Vec<u8> {
    use base64::Engine as _;
    let text = if url_safe { URL_SAFE_NO_PAD.encode(bytes) } else { STANDARD_NO_PAD.encode(bytes) };
    text.into_bytes()
}

pub(super) fn hex(bytes: &[u8], upper: bool) -> Vec<u8> {
    let digit = |value: u8| match (value, upper) {
        (0..=9, _) => b'0' + value,
        (_, true) => b'A' + value - 10,
        (_, false) => b'a' + value - 10,
    };
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The percent form; letters, digits and what is in `keep` stay as they are, or nothing does.
pub(super) fn percent(bytes: &[u8], keep: Option<&str>, plus: bool, upper: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 3);
    for byte in bytes {
        let stays =
            keep.is_some_and(|keep| byte.is_ascii_alphanumeric() || keep.as_bytes().contains(byte));
        if stays {
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

/// The text inside a JSON string, without the quotes, as different libraries write it.
pub(super) fn json_escaped(text: &str) -> Vec<Vec<u8>> {
    let mut ascii = String::new();
    crate::protocol::push_string(&mut ascii, text);
    let mut unicode = serde_json::to_string(text).unwrap_or_default();
    let mut forms = Vec::new();
    for escaped in [&ascii, &unicode] {
        let inner = escaped.get(1..escaped.len().saturating_sub(1)).unwrap_or_default();
        let mut html = Zeroizing::new(inner.to_owned());
        for (character, code) in [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026")] {
            *html = html.replace(character, code);
        }
        for form in [inner, &html] {
            for form in [form.to_owned(), form.replace('/', "\\/")] {
                forms.push(upper_codes(&form).into_bytes());
                forms.push(form.into_bytes());
            }
        }
    }
    ascii.zeroize();
    unicode.zeroize();
    forms
}

/// The same with the digits of every `\u00fc` in capitals.
fn upper_codes(escaped: &str) -> String {
    let mut out = String::with_capacity(escaped.len());
    let mut characters = escaped.chars();
    while let Some(character) = characters.next() {
        out.push(character);
        if character != '\\' {
            continue;
        }
        let Some(kind) = characters.next() else { break };
        out.push(kind);
        if kind == 'u' {
            out.extend(characters.by_ref().take(4).map(|digit| digit.to_ascii_uppercase()));
        }
    }
    out
}
