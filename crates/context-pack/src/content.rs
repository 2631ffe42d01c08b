//! What a line says about how likely it is to be edited, whenever it was written.
//!
//! Two things are looked for, in every language alike: versions, which are raised again and again,
//! and documentation of code, which stays when the code changes. Nothing is parsed.

use memchr::memchr_iter;

use crate::kind::Kind;
use crate::value::{DOCUMENTATION, VERSION};

/// What the rate of a trimmed line of such a file is multiplied by.
pub(crate) fn weight(line: &str, tag: &str, kind: Kind) -> f64 {
    // In tests a version is data.
    if kind != Kind::Test && has_version(line.as_bytes()) {
        VERSION
    } else if !is_prose(tag) && is_documentation(line) {
        DOCUMENTATION
    } else {
        1.0
    }
}

/// Whether a line has three numbers with dots between them, or the version of an action (`@v4`).
fn has_version(line: &[u8]) -> bool {
    let is_digit = |at: usize| line.get(at).is_some_and(u8::is_ascii_digit);
    let three = memchr_iter(b'.', line).any(|dot| {
        let n_digits = line.iter().skip(dot + 1).take_while(|byte| byte.is_ascii_digit()).count();
        let next = dot + 1 + n_digits;
        let is_number = dot > 0 && is_digit(dot - 1) && n_digits > 0;
        is_number && line.get(next) == Some(&b'.') && is_digit(next + 1)
    });
    three || memchr_iter(b'@', line).any(|at| line.get(at + 1) == Some(&b'v') && is_digit(at + 2))
}

/// Whether a file is made of text, in which a star begins the item of a list.
fn is_prose(tag: &str) -> bool {
    matches!(tag, "markdown" | "rst" | "")
}

/// Whether a line belongs to a comment that documents code.
fn is_documentation(line: &str) -> bool {
    let opens = ["///", "//!", "/**", "* ", "*/"];
    line == "*" || opens.iter().any(|opening| line.starts_with(opening))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_edited_more_often_than_other_lines_but_not_in_a_test() {
        for line in ["serde = \"1.0.219\"", "- uses: actions/checkout@v4", "rev: v24.10.1"] {
            assert!(weight(line, "toml", Kind::Manifest) > 1.0, "{line}");
            assert!(weight(line, "rust", Kind::Test) <= 1.0, "{line}");
        }
        for line in
            ["let x = 1.5;", "a.b.c", "1..2", "1.2.", "..", ".1.2", "me@vale.org", "@v", "@"]
        {
            assert!(weight(line, "rust", Kind::Source) <= 1.0, "{line}");
        }
    }

    #[test]
    fn documentation_of_code_is_edited_less_and_a_list_in_prose_is_none() {
        for line in ["/// Boils.", "//! The kettle.", "/** Boils. */", "* @param water", "*", "*/"]
        {
            assert!(weight(line, "java", Kind::Source) < 1.0, "{line}");
        }
        assert!(weight("* an item", "markdown", Kind::Document) >= 1.0);
        for line in ["*pointer = 1;", "// a reason", "**options"] {
            assert!(weight(line, "c", Kind::Source) >= 1.0, "{line}");
        }
    }
}
