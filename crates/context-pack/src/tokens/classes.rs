//! The Unicode classes that the vocabularies split text by, from the same tables as tiktoken-rs's.

mod tables {
    include!(concat!(env!("OUT_DIR"), "/classes.rs"));
}

/// `\p{L}`.
pub(super) fn is_letter(character: char) -> bool {
    if character.is_ascii() {
        character.is_ascii_alphabetic()
    } else {
        is_in(tables::LETTER, character)
    }
}

/// `\p{N}`.
pub(super) fn is_number(character: char) -> bool {
    if character.is_ascii() { character.is_ascii_digit() } else { is_in(tables::NUMBER, character) }
}

/// `\s`.
pub(super) fn is_space(character: char) -> bool {
    if character.is_ascii() {
        matches!(character, '\t'..='\r' | ' ')
    } else {
        is_in(tables::SPACE, character)
    }
}

/// Neither a space, nor a letter, nor a number.
pub(super) fn is_symbol(character: char) -> bool {
    !is_space(character) && !is_letter(character) && !is_number(character)
}

/// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`.
pub(super) fn is_upper(character: char) -> bool {
    if character.is_ascii() {
        character.is_ascii_uppercase()
    } else {
        is_in(tables::UPPER, character)
    }
}

/// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`.
pub(super) fn is_lower(character: char) -> bool {
    if character.is_ascii() {
        character.is_ascii_lowercase()
    } else {
        is_in(tables::LOWER, character)
    }
}

/// Carriage return or line feed.
pub(super) fn is_newline(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

fn is_in(ranges: &[(char, char)], character: char) -> bool {
    let index = ranges.partition_point(|(_, end)| *end < character);
    ranges.get(index).is_some_and(|(start, _)| *start <= character)
}
