//! Replaces secrets that are certain by their form, with an engine that costs a short process nothing.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

pub use crate::secret_forms::Tally;
use crate::secret_forms::{FORMS, replaced};

/// A form that is built when it is needed.
type Pattern = LazyLock<Option<Regex>, Box<dyn Fn() -> Option<Regex> + Send>>;

/// The forms, each built when a text first has one of its literals.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    FORMS
        .iter()
        .map(|(_, _, form)| {
            let build: Box<dyn Fn() -> Option<Regex> + Send> =
                Box::new(move || Regex::new(form).ok());
            LazyLock::new(build)
        })
        .collect()
});

/// The text without its secrets.
pub fn redact<'a>(text: &'a str, tally: &mut Tally) -> Cow<'a, str> {
    let mut clean = Cow::Borrowed(text);
    for ((kind, literals, _), pattern) in FORMS.iter().zip(PATTERNS.iter()) {
        if !literals.iter().any(|literal| clean.contains(literal)) {
            continue;
        }
        let Some(pattern) = pattern.as_ref() else { continue };
        let mut n_found = 0;
        let text = pattern.replace_all(&clean, |found: &Captures<'_>| {
            n_found += 1;
            replacement(kind, found)
        });
        if n_found > 0 {
            let text = text.into_owned();
            clean = Cow::Owned(text);
            *tally.entry(kind).or_default() += n_found;
        }
    }
    clean
}

/// The match with its secret replaced.
fn replacement(kind: &str, found: &Captures<'_>) -> String {
    let Some(whole) = found.get(0) else { return String::new() };
    let secret = found.name("secret");
    let place = secret.map(|secret| secret.start() - whole.start()..secret.end() - whole.start());
    replaced(kind, whole.as_str(), place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let mut tally = Tally::new();
        assert_eq!(redact(text, &mut tally), expect);
        assert_eq!(tally.is_empty(), text == expect);
    }

    #[test]
    fn every_form_is_a_pattern_that_builds() {
        assert!(PATTERNS.iter().all(|pattern| pattern.is_some()));
    }

    #[test]
    fn tokens_of_the_big_providers_are_replaced() {
        // Put together here, so that no scanner takes this file for a leak.
        let body = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";
        check(&format!("t = \"gh{}_{body}\"", "p"), "t = \"[redacted:github-token]\"");
        check(&format!("AK{}", "IAIOSFODNN7EXAMPLE"), "[redacted:aws-key]");
        check(&format!("k: sk-{}-{body}", "ant-api03"), "k: [redacted:anthropic-key]");
        check(&format!("k: s{}-{body}", "k-proj"), "k: [redacted:openai-key]");
        check(&format!("AIz{}", "aSyA1234567890abcdefghijklmnopqrstuv"), "[redacted:google-key]");
        check(&format!("xox{}-123456789012-abcdef", "b"), "[redacted:slack-token]");
        check(
            &format!("aws_secret_access_key = {}{}", &body, "abcd"),
            "aws_secret_access_key = [redacted:aws-secret]",
        );
        check(
            &format!("{}.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJhbGciOiJIUzI1NiJ9"),
            "[redacted:jwt]",
        );
    }

    #[test]
    fn the_password_of_a_connection_string_is_replaced_and_the_rest_stays() {
        check("postgres://app:hunter2@db:5432/x", "postgres://app:[redacted:password]@db:5432/x");
        check("redis://:hunter2@cache", "redis://:[redacted:password]@cache");
        check("postgres://app:${PASSWORD}@db/x", "postgres://app:${PASSWORD}@db/x");
        check("https://example.com:8080/@user", "https://example.com:8080/@user");
    }

    #[test]
    fn a_private_key_is_replaced_as_a_whole_and_a_mention_of_one_stays() {
        let key =
            format!("-----BEGIN RSA {0}-----\nMIIEow\nabc\n-----END RSA {0}-----", "PRIVATE KEY");
        check(&format!("a\n{key}\nb\n"), "a\n[redacted:private-key]\nb\n");
        let cut = format!(
            "-----BEGIN {}-----\n{}",
            "PRIVATE KEY",
            "MIIEowIBAAKCAQEA0123456789\n".repeat(5)
        );
        check(&cut, "[redacted:private-key]");
        let (_, end) = key.split_once("MIIE").unwrap();
        check(&format!("{end}\nb\n"), "[redacted:private-key]\nb\n");
        check(
            "const MARK: &str = \"-----BEGIN PRIVATE KEY-----\";\n",
            "const MARK: &str = \"-----BEGIN PRIVATE KEY-----\";\n",
        );
    }

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(redact("fn main() {}", &mut Tally::new()), Cow::Borrowed(_)));
    }
}
