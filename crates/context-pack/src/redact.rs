//! Replaces secrets that are certain by their form, with an engine that is fast over whole trees.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

pub(crate) use common::secret_forms::Tally;
use common::secret_forms::{self, FORMS};
use regex::Regex;

use crate::lines;

/// One look for any of the literals, longer ones before those that they begin with.
static LITERALS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let mut literals: Vec<&str> =
        FORMS.iter().flat_map(|(_, literals, _)| literals.iter().copied()).collect();
    literals.sort_by_key(|literal| Reverse(literal.len()));
    let literals: Vec<String> = literals.into_iter().map(regex::escape).collect();
    Regex::new(&literals.join("|")).ok()
});

/// The forms, each built when a text first has one of its literals.
static PATTERNS: [OnceLock<Option<Regex>>; FORMS.len()] = [const { OnceLock::new() }; FORMS.len()];

/// The text without its secrets.
pub(crate) fn redact<'a>(text: &'a str, tally: &mut Tally) -> Cow<'a, str> {
    let likely = likely_forms(text);
    secret_forms::redact(text, tally, |form, text| {
        if likely.get(form).is_some_and(|is_likely| *is_likely) {
            secrets(form, text)
        } else {
            Vec::new()
        }
    })
}

/// The kind of the secrets that take several lines.
pub(crate) const KEY: &str = "private-key";

/// What stands for a secret of a kind.
pub(crate) use common::secret_forms::mark;

/// Which lines of the text, counted from 0, belong to private keys.
pub(crate) fn lines_of_keys(text: &str) -> Vec<Range<usize>> {
    let likely = likely_forms(text);
    let forms = FORMS.iter().enumerate().zip(likely);
    let keys = forms.filter(|((_, (kind, ..)), is_likely)| *is_likely && *kind == KEY);
    let places = keys.flat_map(|((form, _), _)| secrets(form, text));
    let line = |at: usize| lines::ends(text.get(..at).unwrap_or_default());
    places.map(|place| line(place.start)..line(place.end.saturating_sub(1)) + 1).collect()
}

/// Which forms have one of their literals in a place of the text where the form can be.
///
/// Most texts have addresses and words that end like a token's prefix. Looking at the bytes around
/// them costs less than the patterns, the building of which takes longer than reading a file.
fn likely_forms(text: &str) -> [bool; FORMS.len()] {
    let mut likely = [false; FORMS.len()];
    let Some(known) = LITERALS.as_ref() else { return [true; FORMS.len()] };
    let mut from = 0;
    while let Some(found) = known.find_at(text, from) {
        let rest = text.get(found.start()..).unwrap_or_default();
        let after_word = text
            .get(..found.start())
            .unwrap_or_default()
            .ends_with(|last: char| last.is_alphabetic() || last.is_ascii_digit() || last == '_');
        for ((_, literals, form), is_likely) in FORMS.iter().zip(&mut likely) {
            *is_likely |= literals.iter().any(|literal| {
                let starts_word =
                    form.strip_prefix(r"\b").is_some_and(|it| it.starts_with(literal));
                rest.starts_with(literal)
                    && !(after_word && starts_word)
                    && (*literal != "://" || may_have_password(rest))
            });
        }
        // Literals are ASCII, so one byte on begins a character; they may overlap.
        from = found.start() + 1;
    }
    likely
}

/// Whether the address that follows `://` names somebody before its host.
fn may_have_password(address: &str) -> bool {
    let authority = address.get("://".len()..).unwrap_or_default();
    let end = authority.find(|character: char| {
        character.is_whitespace() || matches!(character, '"' | '\'' | '<' | '>' | '/' | '`' | '@')
    });
    end.is_some_and(|end| authority.get(end..).is_some_and(|rest| rest.starts_with('@')))
        && authority.contains(':')
}

/// Where the secrets of a form are.
fn secrets(form: usize, text: &str) -> Vec<Range<usize>> {
    let Some(pattern) = pattern(form) else { return Vec::new() };
    let found = pattern.captures_iter(text);
    found.map(|found| found.name("secret").unwrap_or(found.get_match()).range()).collect()
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
        assert!(LITERALS.is_some());
        assert!((0..FORMS.len()).all(|form| pattern(form).is_some()));
    }

    #[test]
    fn a_secret_is_found_beside_what_only_looks_like_one() {
        let body = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8";
        check(
            &format!("see https://x.org and the task-force\nsk_live_{body} {body}sk-{body}"),
            &format!("see https://x.org and the task-force\n[redacted:stripe-key] {body}sk-{body}"),
        );
        check(
            &format!("12345678:AA{} ://::AA://u:secret@h", "abcdefghijklmnopqrstuvwxyz1234567"),
            "[redacted:telegram-token] ://::AA://u:[redacted:password]@h",
        );
        check(
            "ssh://git@host:22/x git+https://u:p4ssw0rd@host/x",
            "ssh://git@host:22/x git+https://u:[redacted:password]@host/x",
        );
    }

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(redact("fn main() {}", &mut Tally::new()), Cow::Borrowed(_)));
    }
}
