//! Replaces secrets that are certain by their form, with an engine that costs a short process nothing.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use regex_lite::Regex;

pub use crate::secret_forms::Tally;
use crate::secret_forms::{self, FORMS};

/// The forms, each built when a text first has one of its literals.
static PATTERNS: [OnceLock<Option<Regex>>; FORMS.len()] = [const { OnceLock::new() }; FORMS.len()];

/// The text without its secrets.
pub fn redact<'a>(text: &'a str, tally: &mut Tally) -> Cow<'a, str> {
    secret_forms::redact(text, tally, |form, text| {
        let Some((_, literals, _)) = FORMS.get(form) else { return Vec::new() };
        if literals.iter().any(|literal| text.contains(literal)) {
            secrets(form, text)
        } else {
            Vec::new()
        }
    })
}

/// Where the secrets of a form are.
fn secrets(form: usize, text: &str) -> Vec<Range<usize>> {
    let Some(pattern) = pattern(form) else { return Vec::new() };
    let found = pattern.captures_iter(text);
    found
        .filter_map(|found| found.name("secret").or_else(|| found.get(0)))
        .map(|secret| secret.range())
        .collect()
}

/// The pattern of a form.
fn pattern(form: usize) -> Option<&'static Regex> {
    let (_, _, pattern) = FORMS.get(form)?;
    PATTERNS.get(form)?.get_or_init(|| Regex::new(pattern).ok()).as_ref()
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
        assert!((0..FORMS.len()).all(|form| pattern(form).is_some()));
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
