//! The end of what a job wrote to stderr, without the secrets that were in it.
//!
//! It goes into the journal, into alerts, and with them to other machines.

use std::iter::Peekable;
use std::str::Chars;

use common::redact::{Tally, redact};

/// How much is kept, in bytes.
pub(crate) const MAX: usize = 4096;

/// The text without its secrets, and without a first line whose beginning is lost: half a secret is not
/// known as one.
pub(crate) fn clean(text: &str) -> String {
    // A character that was cut in two at the front is gone as well.
    let is_cut = text.len() + 3 >= MAX;
    let whole = match text.find(char::is_whitespace).filter(|_| is_cut) {
        Some(space) => text.get(text.find('\n').unwrap_or(space) + 1..).unwrap_or_default(),
        None => text,
    };
    redact(whole, &mut Tally::new()).into_owned()
}

/// The text without terminal escapes and other control characters, as it would read on paper: a carriage
/// return begins a line anew, which is a line of its own here.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\u{9b}' => skip_to_end_of_csi(&mut characters),
            '\n' | '\r' => plain.push('\n'),
            '\t' => plain.push(' '),
            other if other.is_control() => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Skips what belongs to an escape character: a sequence of parameters, a string with its end, or one character.
fn skip_escape(characters: &mut Peekable<Chars<'_>>) {
    match characters.next_if(|next| !next.is_control()) {
        Some('[') => skip_to_end_of_csi(characters),
        Some(']' | 'P' | 'X' | '^' | '_') => {
            // It ends with BEL or with ESC \; one that was cut off ends with its line.
            while let Some(next) = characters.next_if(|next| *next != '\n') {
                if next == '\u{7}' || next == '\u{1b}' && characters.next_if_eq(&'\\').is_some() {
                    break;
                }
            }
        }
        Some(' '..='/') => drop(characters.next_if(|next| !next.is_control())),
        Some(_) | None => {}
    }
}

fn skip_to_end_of_csi(characters: &mut Peekable<Chars<'_>>) {
    while characters.next_if(|next| matches!(next, ' '..='?')).is_some() {}
    characters.next_if(|next| matches!(next, '@'..='~'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_controls_are_gone_with_all_that_belongs_to_them() {
        for (raw, expect) in [
            ("a\u{1b}[31mred\u{1b}[0m b", "ared b"),
            ("\u{1b}]0;title\u{7}x\u{1b}]8;;http://a\u{1b}\\link\u{1b}]8;;\u{1b}\\", "xlink"),
            ("\u{9b}1;2Hx\u{1b}(By\u{1b}7z", "xyz"),
            ("10 %\r20 %\r\n\tdone\u{7}\u{0}", "10 %\n20 %\n\n done"),
            ("cut \u{1b}", "cut "),
            ("cut \u{1b}[31", "cut "),
            ("cut \u{1b}]0;title\nnext", "cut \nnext"),
            ("\u{1b}\u{1b}[1mx", "x"),
            ("grüße ✓", "grüße ✓"),
        ] {
            assert_eq!(plain(raw), expect, "{raw:?}");
        }
    }

    #[test]
    fn secrets_and_halves_of_secrets_are_not_kept() {
        let token = format!("gh{}_{}", "p", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8");
        assert_eq!(clean(&format!("push: {token}\n")), "push: [redacted:github-token]\n");
        let half = token.get(8..).unwrap_or_default();
        let cut = format!("{half}\n{}", "line\n".repeat(900));
        let kept = clean(cut.get(..MAX).unwrap_or_default());
        assert!(!kept.contains(half) && kept.starts_with("line\n"));
        assert_eq!(clean("short and whole"), "short and whole");
    }
}
