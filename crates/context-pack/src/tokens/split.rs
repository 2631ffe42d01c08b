//! Splits text as the patterns of the vocabularies do, by hand: their look-ahead needs a
//! backtracking engine, and that one fails on a million blanks.
//!
//! Each function gives the length in bytes of the first piece, which is at least one character.

use super::classes::{is_letter, is_lower, is_newline, is_number, is_space, is_symbol, is_upper};

/// `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s`
pub(super) fn cl100k(text: &str) -> usize {
    let Some(first) = text.chars().next() else { return 0 };
    if let Some(length) = contraction(text) {
        return length;
    }
    if is_letter(first) {
        return run(text, 0, is_letter);
    }
    if is_number(first) {
        return at_most_three(text, is_number);
    }
    if !is_newline(first) {
        let end = run(text, first.len_utf8(), is_letter);
        if end > first.len_utf8() {
            return end;
        }
    }
    if let Some(end) = symbols(text, first) {
        return run(text, end, is_newline);
    }
    spaces(text, true)
}

/// The pattern of o200k_base, in which a word changes from upper to lower case at most once.
pub(super) fn o200k(text: &str) -> usize {
    let Some(first) = text.chars().next() else { return 0 };
    let after_first = first.len_utf8();
    let can_lead = !is_newline(first) && !is_letter(first) && !is_number(first);
    let word = (can_lead.then(|| lower_word(text, after_first)).flatten())
        .or_else(|| lower_word(text, 0))
        .or_else(|| can_lead.then(|| upper_word(text, after_first)).flatten())
        .or_else(|| upper_word(text, 0));
    if let Some(end) = word {
        return end + text.get(end..).and_then(contraction).unwrap_or(0);
    }
    if is_number(first) {
        return at_most_three(text, is_number);
    }
    if let Some(end) = symbols(text, first) {
        return run(text, end, |character| is_newline(character) || character == '/');
    }
    spaces(text, false)
}

/// `'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s`
pub(super) fn gpt2(text: &str) -> usize {
    let Some(first) = text.chars().next() else { return 0 };
    if let Some(length) = contraction(text)
        && text
            .get(1..length)
            .is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
    {
        return length;
    }
    let start = usize::from(first == ' ');
    for class in [is_letter, is_number, is_symbol] {
        let end = run(text, start, class);
        if end > start {
            return end;
        }
    }
    let end = run(text, 0, is_space);
    all_but_the_last(text, end)
}

/// `'` and one of s, d, m, t, ll, ve, re in any case. The long s folds to s, as in tiktoken.
fn contraction(text: &str) -> Option<usize> {
    let mut characters = text.strip_prefix('\'')?.chars();
    let first = characters.next()?;
    match first {
        's' | 'S' | 'd' | 'D' | 'm' | 'M' | 't' | 'T' | 'ſ' => return Some(1 + first.len_utf8()),
        _ => {}
    }
    let second = characters.next()?;
    match (first.to_ascii_lowercase(), second.to_ascii_lowercase()) {
        ('l', 'l') | ('v' | 'r', 'e') => Some(3),
        _ => None,
    }
}

/// Upper-case letters as many as there are, then at least one lower-case one.
///
/// Marks and letters without case are both, so the greedy upper run may have to give one back.
fn lower_word(text: &str, start: usize) -> Option<usize> {
    let upper_end = run(text, start, is_upper);
    let lower_end = run(text, upper_end, is_lower);
    if lower_end > upper_end {
        return Some(lower_end);
    }
    let uppers = text.get(start..upper_end)?;
    let (index, character) =
        uppers.char_indices().rev().find(|(_, character)| is_lower(*character))?;
    Some(start + index + character.len_utf8())
}

/// At least one upper-case letter, then lower-case ones as many as there are.
fn upper_word(text: &str, start: usize) -> Option<usize> {
    let upper_end = run(text, start, is_upper);
    (upper_end > start).then(|| run(text, upper_end, is_lower))
}

/// A blank if there is one, then at least one symbol.
fn symbols(text: &str, first: char) -> Option<usize> {
    let start = usize::from(first == ' ');
    let end = run(text, start, is_symbol);
    (end > start).then_some(end)
}

/// A run of white space that starts `text`; `whole_at_end` takes all of it at the end of the text.
fn spaces(text: &str, whole_at_end: bool) -> usize {
    let end = run(text, 0, is_space);
    if whole_at_end && end == text.len() {
        return end;
    }
    if let Some(newline) = text.get(..end).and_then(|blanks| blanks.rfind(is_newline)) {
        return newline + 1;
    }
    all_but_the_last(text, end)
}

/// The last blank before a word belongs to the word, unless it is the only one.
fn all_but_the_last(text: &str, end: usize) -> usize {
    if end == text.len() {
        return end;
    }
    match text.get(..end).and_then(|blanks| blanks.char_indices().next_back()) {
        Some((0, _)) | None => end.max(1),
        Some((last, _)) => last,
    }
}

/// Where the run of `class` that starts at `start` ends.
fn run(text: &str, start: usize, class: impl Fn(char) -> bool) -> usize {
    let mut end = start;
    while let Some(byte) = text.as_bytes().get(end) {
        // Most text is ASCII, which needs no decoding.
        let (is_in, n_bytes) = if byte.is_ascii() {
            (class(char::from(*byte)), 1)
        } else {
            let next = text.get(end..).and_then(|rest| rest.chars().next());
            next.map_or((false, 0), |character| (class(character), character.len_utf8()))
        };
        if !is_in {
            break;
        }
        end += n_bytes;
    }
    end
}

fn at_most_three(text: &str, class: impl Fn(char) -> bool) -> usize {
    text.chars().take(3).take_while(|character| class(*character)).map(char::len_utf8).sum()
}
