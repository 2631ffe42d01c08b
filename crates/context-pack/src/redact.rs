//! Replaces secrets that are certain by their form, with an engine that is fast over whole trees.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::LazyLock;

pub(crate) use common::secret_forms::Tally;
use common::secret_forms::{FORMS, replaced};
use regex::{Captures, Regex};

/// One look for any of the literals, longer ones before those that they begin with.
static LITERALS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let mut literals: Vec<&str> =
        FORMS.iter().flat_map(|(_, literals, _)| literals.iter().copied()).collect();
    literals.sort_by_key(|literal| Reverse(literal.len()));
    let literals: Vec<String> = literals.into_iter().map(regex::escape).collect();
    Regex::new(&literals.join("|")).ok()
});

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
pub(crate) fn redact<'a>(text: &'a str, tally: &mut Tally) -> Cow<'a, str> {
    let likely = likely_forms(text);
    let mut clean = Cow::Borrowed(text);
    for (((kind, _, _), pattern), _) in
        FORMS.iter().zip(PATTERNS.iter()).zip(likely).filter(|(_, is_likely)| *is_likely)
    {
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

/// The match with its secret replaced.
fn replacement(kind: &str, found: &Captures<'_>) -> String {
    let whole = found.get_match();
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
        assert!(LITERALS.is_some());
        assert!(PATTERNS.iter().all(|pattern| pattern.is_some()));
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
