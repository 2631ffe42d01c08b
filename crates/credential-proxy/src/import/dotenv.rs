//! `.env` files: `KEY=value`, `export`, quotes, comments. A key is the name of a credential.

use std::path::Path;

use super::{Export, Format, ReadError, Row, Skipped};
use crate::secret::Secret;

/// Whether a file without a known header is one of these.
pub(super) fn looks_like(bytes: &[u8], path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with(".env") || name.to_ascii_lowercase().ends_with(".env") {
        return true;
    }
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    lines.peek().is_some() && lines.take(3).all(|line| key_of(line).is_some())
}

/// The key and the rest of a line behind its `=`.
fn key_of(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (key, rest) = line.split_once('=')?;
    let key = key.trim_end();
    let is_key = key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    is_key.then_some((key, rest))
}

/// Reads the file; a line that is no assignment is skipped and listed.
pub(super) fn read(bytes: &[u8]) -> Result<Export, ReadError> {
    let text = std::str::from_utf8(bytes).map_err(|error| ReadError::NotText {
        line: 1 + bytes
            .get(..error.valid_up_to())
            .unwrap_or_default()
            .iter()
            .fold(0, |n, b| n + u64::from(*b == b'\n')),
    })?;
    let mut export = Export::new(Format::Env);
    let mut rest = text;
    let mut line = 0;
    while !rest.is_empty() {
        line += 1;
        let (head, tail) = rest.split_once('\n').unwrap_or((rest, ""));
        export.check_size()?;
        let head = head.strip_suffix('\r').unwrap_or(head);
        let trimmed = head.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            rest = tail;
            continue;
        }
        let Some((key, behind)) = key_of(head) else {
            export.skipped.push(Skipped::at(line, "it is no KEY=value"));
            rest = tail;
            continue;
        };
        let behind = behind.trim_start_matches([' ', '\t']);
        let (value, n_lines, after) = match behind.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                // A quoted value may go on over several lines, so the text behind the quote is read.
                let from = offset_of(rest, behind) + 1;
                let body = rest.get(from..).unwrap_or_default();
                let Some((value, used)) = quoted(body, quote) else {
                    return Err(ReadError::OpenQuote { line });
                };
                let consumed = rest.get(..from + used).unwrap_or_default();
                let n_lines = consumed.matches('\n').count();
                let after = rest.get(from + used..).unwrap_or_default();
                (value, n_lines, after.split_once('\n').map_or("", |(_, after)| after))
            }
            _ => (Secret::new(unquoted(behind)), 0, tail),
        };
        if value.is_empty() {
            export.skipped.push(Skipped::at(line, "it has no value"));
        } else {
            let mut row = Row::new(line);
            key.clone_into(&mut row.name);
            row.password = value;
            row.is_named = true;
            export.rows.push(row);
        }
        line += u64::try_from(n_lines).unwrap_or(0);
        rest = after;
    }
    Ok(export)
}

/// Where `part`, a piece of `whole`, begins in it.
fn offset_of(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

/// The value up to the closing quote, and how many bytes were used, the quote included.
fn quoted(body: &str, quote: char) -> Option<(Secret, usize)> {
    let mut value = String::with_capacity(body.find(quote).unwrap_or(0));
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            return Some((Secret::new(value), at + 1));
        }
        if character == '\\' && quote == '"' {
            match characters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                other @ ('"' | '\\' | '$' | '`') => value.push(other),
                other => {
                    value.push('\\');
                    value.push(other);
                }
            }
        } else {
            value.push(character);
        }
    }
    None
}

/// A value without quotes ends at a comment, which begins with a blank and `#`.
fn unquoted(text: &str) -> &str {
    let end = [" #", "\t#"].iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    text.get(..end).unwrap_or(text).trim_end_matches([' ', '\t', '\r'])
}
