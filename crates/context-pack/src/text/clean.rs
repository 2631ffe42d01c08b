//! Text as it may stand in a document that ends on a terminal or in XML: control characters become
//! visible, and a line has at most [`LINE`] characters.

use std::fmt::Write as _;

use crate::summary::thousands;

/// The most characters of a line that are kept.
const LINE: usize = 1000;

/// The most bytes of a word that is left out whole where a line is cut.
const WORD: usize = 300;
/// Whether cleaning would change nothing.
pub(super) fn is_clean(text: &str) -> bool {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\n');
    let is_ascii = || {
        let mut chunks = text.as_bytes().chunks(64);
        chunks.all(|chunk| chunk.iter().filter(|byte| !is_plain(byte)).count() == 0)
    };
    let stays = |character: char| character == '\n' || stays(character);
    text.ends_with('\n') && has_short_lines(text) && (is_ascii() || text.chars().all(stays))
}

/// Whether a character within a line is shown as it is.
fn stays(character: char) -> bool {
    !character.is_control() && !is_trick(character) || character == '\t'
}

/// Direction marks, which hide what a line does; noncharacters, which XML does not allow; and what
/// nobody sees and a model reads as letters.
fn is_trick(character: char) -> bool {
    matches!(
        character,
        '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{fffe}'
            | '\u{ffff}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Whether no line of a text that ends with a newline is too long.
fn has_short_lines(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while rest.len() > LINE {
        // The last end of a line that is near enough, so that most are never looked for.
        match rest.get(..=LINE).and_then(|near| memchr::memrchr(b'\n', near)) {
            Some(end) => rest = rest.get(end + 1..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

/// One newline per line, visible control characters, lines of bounded length.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len() + 1);
    let mut rest = text;
    while !rest.is_empty() {
        let (line, tail) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.strip_suffix('\r').unwrap_or(line);
        for line in line.split('\r') {
            push_line(&mut clean, line);
            clean.push('\n');
        }
        rest = tail;
    }
    clean
}

/// Where a line that is too long ends: at its limit, or before the word there, of which the first
/// half alone would not be known for the token or the address with a password that it can be.
fn cut_of(line: &str) -> Option<usize> {
    let (limit, _) = line.char_indices().nth(LINE)?;
    let before = line.get(..limit)?;
    let is_within = line.get(limit..)?.starts_with(is_of_word);
    let start = before.trim_end_matches(is_of_word).len();
    Some(if is_within && start > 0 && limit - start <= WORD { start } else { limit })
}

fn is_of_word(character: char) -> bool {
    !character.is_whitespace() && !matches!(character, '"' | '\'' | '`' | '<' | '>')
}

fn push_line(clean: &mut String, line: &str) {
    let cut = if line.len() <= LINE { None } else { cut_of(line) };
    let kept = line.get(..cut.unwrap_or(line.len())).unwrap_or_default();
    if kept.chars().all(stays) {
        clean.push_str(kept);
    } else {
        for character in kept.chars() {
            match character {
                '\u{b}' | '\u{c}' => {}
                character if stays(character) => clean.push(character),
                character => clean.extend(character.escape_unicode()),
            }
        }
    }
    if let Some(cut) = cut {
        let n_omitted = line.get(cut..).unwrap_or_default().chars().count();
        let _ = write!(clean, "… {} characters omitted …", thousands(n_omitted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_a_newline_are_bounded_and_show_control_characters() {
        assert_eq!(clean("a\r\nb\rc"), "a\nb\nc\n");
        assert_eq!(clean("a\r\n\r\nb\r"), "a\n\nb\n");
        for text in [
            "a\n",
            "\ta\n\nb\n",
            "a",
            "a\r\n",
            "é\n",
            "\u{1b}\n",
            "é\u{85}\n",
            "\u{202e}x\n",
            "\u{feff}x\n",
            &"x".repeat(2000),
            &format!("{0}\n{0}\n", "x".repeat(1000)),
        ] {
            assert!(!is_clean(text) || clean(text) == text, "{text:?}");
        }
        assert!(is_clean("\ta\n\nb\n") && is_clean("\té\n"));
        assert_eq!(clean("red \u{1b}[31m\u{c}"), "red \\u{1b}[31m\n");
        assert_eq!(clean("hidden \u{e0041}\u{e007f}"), "hidden \\u{e0041}\\u{e007f}\n");
        let long = clean(&"é".repeat(5000));
        assert_eq!(long, format!("{}… 4,000 characters omitted …\n", "é".repeat(1000)));
    }

    #[test]
    fn a_line_is_not_cut_within_a_word_that_could_be_a_token() {
        let token = format!("ghp_{}", "a1".repeat(18));
        for (before, after) in [("x ".repeat(490), "y"), ("é".repeat(985) + "='", "'; y")] {
            let line = format!("{before}{token}{after}{}", " z".repeat(20));
            let cut = clean(&line);
            assert!(cut.starts_with(&format!("{before}… ")), "{cut}");
            let n_kept = before.chars().count();
            let expect = format!("… {} characters omitted …\n", line.chars().count() - n_kept);
            assert!(cut.ends_with(&expect), "{cut}");
        }
        let words = format!("{} {}", "x".repeat(999), "y".repeat(500));
        assert!(clean(&words).starts_with(&format!("{} … 500 ", "x".repeat(999))));
        let long = format!("a {}", "x".repeat(2000));
        assert!(clean(&long).starts_with(&format!("a {}… 1,002 ", "x".repeat(998))));
    }
}
