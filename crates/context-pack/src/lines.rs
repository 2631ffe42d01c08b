//! The lines of a text, found many bytes at a time: a pack looks at every line of hundreds of files.

/// The lines of a text, as [`str::lines`] gives them.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes());
    let whole = ends.filter_map(move |end| {
        let line = text.get(start..end);
        start = end + 1;
        line.map(|line| line.strip_suffix('\r').unwrap_or(line))
    });
    let last = memchr::memrchr(b'\n', text.as_bytes()).map_or(0, |end| end + 1);
    whole.chain(text.get(last..).filter(|line| !line.is_empty()))
}

/// How many lines [`lines`] gives.
pub(crate) fn count(text: &str) -> usize {
    ends(text) + usize::from(!text.is_empty() && !text.ends_with('\n'))
}

/// How many newlines a text has.
pub(crate) fn ends(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

/// A line without the white space around it, as [`str::trim`] gives it.
pub(crate) fn trim(line: &str) -> &str {
    let is_blank = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
    let bytes = line.as_bytes();
    let start = bytes.iter().position(|byte| !is_blank(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    let trimmed = line.get(start..end).unwrap_or_default();
    // Blanks that are not ASCII begin and end with bytes that are not either.
    let ends = [trimmed.as_bytes().first(), trimmed.as_bytes().last()];
    if ends.iter().flatten().all(|byte| byte.is_ascii()) { trimmed } else { trimmed.trim() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_has_the_lines_and_the_margins_that_the_standard_library_finds(
            text in "[ab\n\r\t \u{a0}\u{85}\u{2003}é\u{c}]{0,40}"
        ) {
            let expect: Vec<&str> = text.lines().collect();
            prop_assert_eq!(lines(&text).collect::<Vec<_>>(), &expect[..]);
            prop_assert_eq!(count(&text), expect.len());
            prop_assert_eq!(trim(&text), text.trim());
        }
    }
}
