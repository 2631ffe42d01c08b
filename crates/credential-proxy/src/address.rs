//! The secrets that stand inside of a URL: the password of its account, and parameters that hold a token.
//!
//! A URL is shown without them, and they are looked for in output. Everything else of it is no secret.

use std::ops::Range;

use crate::secret::Secret;

/// Parameters whose values are secrets, by a word of their name.
const WORDS: [&str; 22] = [
    "accesstoken",
    "apikey",
    "auth",
    "authorization",
    "authtoken",
    "code",
    "credential",
    "credentials",
    "jwt",
    "key",
    "otp",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "pwd",
    "secret",
    "session",
    "sid",
    "signature",
    "token",
];

/// A value of so many characters, with letters and digits and without blanks, is taken for a token.
const MIN_TOKEN: usize = 20;

/// The URL with a mark in the place of each secret.
pub(crate) fn redacted(url: &str) -> String {
    let mut shown = String::with_capacity(url.len());
    let mut from = 0;
    for place in places(url) {
        shown.push_str(url.get(from..place.start).unwrap_or_default());
        shown.push_str("[redacted]");
        from = place.end;
    }
    shown.push_str(url.get(from..).unwrap_or_default());
    shown
}

/// The secrets in a URL, as they stand there and as they are meant.
pub(crate) fn secrets(url: &str) -> Vec<Secret> {
    let written = places(url).into_iter().filter_map(|place| url.get(place));
    written
        .flat_map(|secret| {
            let meant = unescaped(secret);
            let is_other = meant != secret;
            [Some(Secret::new(secret)), is_other.then(|| Secret::new(meant))]
        })
        .flatten()
        .collect()
}

/// Where the secrets stand, in their order.
fn places(url: &str) -> Vec<Range<usize>> {
    let Some(scheme_end) = url.find("://") else { return Vec::new() };
    let start = scheme_end + 3;
    let rest = url.get(start..).unwrap_or_default();
    let mut places = Vec::new();
    let account = account(rest);
    let end = start + account.len();
    match account.find(':') {
        Some(colon) => places.push(start + colon + 1..end),
        None if is_token(account) => places.push(start..end),
        None => {}
    }
    let query =
        url.get(end..).and_then(|rest| rest.find(['?', '#'])).map_or(url.len(), |at| end + at);
    let mut at = query;
    for part in url.get(query..).unwrap_or_default().split_inclusive(['?', '#', '&', ';']) {
        let pair = part.trim_end_matches(['?', '#', '&', ';']);
        if let Some((name, value)) = pair.split_once('=')
            && (is_name_of_secret(name) || is_token(value))
        {
            places.push(at + name.len() + 1..at + pair.len());
        }
        at += part.len();
    }
    places.retain(|place| !place.is_empty());
    places
}

/// What stands before the host. A password may hold what should have been escaped: `/`, `?`, `#` and `@`.
fn account(rest: &str) -> &str {
    let slash = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(slash);
    if let Some((account, _)) = authority.rsplit_once('@') {
        return account;
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    match (authority.split_once(':'), path.rfind('@')) {
        // What looks like a port is one.
        (Some((_, port)), Some(at)) if port.parse::<u16>().is_err() => {
            rest.get(..slash + at).unwrap_or_default()
        }
        _ => "",
    }
}

fn is_name_of_secret(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in unescaped(name).chars() {
        if !character.is_alphanumeric() || (was_lower && character.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| character.is_alphanumeric()) {
            word.extend(character.to_lowercase());
        }
        was_lower = character.is_lowercase();
    }
    words.iter().any(|word| word == "sig" || WORDS.contains(&word.as_str()))
}

fn is_token(value: &str) -> bool {
    let value = unescaped(value);
    value.len() >= MIN_TOKEN
        && value.chars().all(|one| one.is_ascii_alphanumeric() || "-_.~+/=:".contains(one))
        && value.chars().any(|one| one.is_ascii_digit())
        && value.chars().any(|one| one.is_ascii_alphabetic())
        && (!value.contains("://") || !places(&value).is_empty())
}

/// The text with its percent forms undone.
pub(crate) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match (first, tail) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        if let Some(code) = code {
            bytes.push(code);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_url_is_shown_without_its_secrets_and_otherwise_as_it_is() {
        for (url, shown) in [
            (
                "https://bob:hunter2xyz@ui.com/p?token=abcsecret",
                "https://bob:[redacted]@ui.com/p?token=[redacted]",
            ),
            ("postgres://app:p/w@x@db:5432/x", "postgres://app:[redacted]@db:5432/x"),
            ("postgres://app:p#w?x@db:5432/x?a=b", "postgres://app:[redacted]@db:5432/x?a=b"),
            (
                "https://x.com/a?page=2&apiKey=k1&next=%2Fhome",
                "https://x.com/a?page=2&apiKey=[redacted]&next=%2Fhome",
            ),
            (
                "https://x.com/cb#access_token=t&state=x",
                "https://x.com/cb#access_token=[redacted]&state=x",
            ),
            ("https://x.com/a?v=1a2b3c4d5e6f7a8b9c0d1", "https://x.com/a?v=[redacted]"),
            ("https://ghp0123456789abcdefghij@github.com/", "https://[redacted]@github.com/"),
        ] {
            assert_eq!(redacted(url), shown);
        }
        for plain in [
            "https://me@x.com/@someone/a?q=tokens+and+keys&keyboard=us#top",
            "https://x.com/login?return_to=https%3A%2F%2Fwww2.example.com%2Fsome%2Fplace",
            "https://x.com:8443/@someone",
            "https://x.com?mail=me@x.com",
            "no url: token=abc",
            "",
        ] {
            assert_eq!(redacted(plain), plain);
        }
    }

    #[test]
    fn a_secret_is_also_known_as_it_is_meant() {
        let found = secrets("https://bob:p%40ss%2Fword@x.com/?sig=abcdef");
        let found: Vec<&str> = found.iter().map(Secret::expose).collect();
        assert_eq!(found, ["p%40ss%2Fword", "p@ss/word", "abcdef"]);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_a_password_is_never_shown(text in ".{0,80}", password in "[a-zA-Z0-9]{12,30}") {
            redacted(&text);
            let shown = redacted(&format!("https://u:{password}@h/{text}"));
            prop_assert!(!shown.contains(&password) || text.contains(&password));
        }
    }
}
