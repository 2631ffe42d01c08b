//! A patch without the keys of which it shows only some lines.
//!
//! A key is known by its first or last line, and a hunk may have neither. So the keys are looked
//! for in the whole of each file, before and after, and their lines are taken out of its hunks.

use std::collections::{BTreeMap, BTreeSet};

use crate::lines::{lines, trim};
use crate::redact::{self, Tally};

/// What begins the part of a file.
const FILE: &str = "diff --git ";

/// The patch without lines of keys; `whole` is the same patch with all lines of its files around.
pub(crate) fn without_keys(patch: &str, whole: &str, tally: &mut Tally) -> String {
    let known: BTreeMap<&str, BTreeSet<&str>> =
        parts(whole).map(|part| (lines(part).next().unwrap_or_default(), keys(part))).collect();
    let mut clean = String::with_capacity(patch.len());
    for part in parts(patch) {
        let keys = known.get(lines(part).next().unwrap_or_default());
        match keys {
            Some(keys) if keys.is_empty() => clean.push_str(part),
            Some(keys) => push_without(part, keys, &mut clean, tally),
            // It changed meanwhile, and nothing is known of it.
            None => {}
        }
    }
    clean
}

/// The parts of a patch, one a file.
fn parts(patch: &str) -> impl Iterator<Item = &str> {
    let begins = |at: &usize| *at == 0 || patch.as_bytes().get(at - 1) == Some(&b'\n');
    let mut starts: Vec<usize> =
        patch.match_indices(FILE).map(|(at, _)| at).filter(begins).collect();
    starts.push(patch.len());
    let ranges: Vec<_> = starts.windows(2).map(|pair| pair[0]..pair[1]).collect();
    ranges.into_iter().filter_map(|range| patch.get(range))
}

/// The lines of keys in a file, before and after.
fn keys(part: &str) -> BTreeSet<&str> {
    let mut keys = BTreeSet::new();
    for other in ['+', '-'] {
        let mut text = String::with_capacity(part.len());
        let side: Vec<&str> = lines(part)
            .skip_while(|line| !line.starts_with("@@ "))
            .skip(1)
            .filter(|line| !line.starts_with([other, '\\']))
            .map(|line| line.get(1..).unwrap_or_default())
            .collect();
        for line in &side {
            text.push_str(line);
            text.push('\n');
        }
        let marked = redact::lines_of_keys(&text);
        let is_key = |index: &usize| marked.iter().any(|range| range.contains(index));
        keys.extend(
            side.iter().enumerate().filter(|(at, _)| is_key(at)).map(|(_, line)| trim(line)),
        );
    }
    keys.remove("");
    keys
}

/// Adds the part of a file, one mark for each run of lines of keys.
fn push_without(part: &str, keys: &BTreeSet<&str>, clean: &mut String, tally: &mut Tally) {
    let mut last_mark = None;
    let mut is_head = true;
    for line in lines(part) {
        is_head &= !line.starts_with("@@ ");
        if is_head {
            clean.push_str(line);
            clean.push('\n');
            continue;
        }
        let sign = line.chars().next().filter(|sign| matches!(sign, ' ' | '+' | '-'));
        let content = trim(line.get(1..).unwrap_or_default());
        if let Some(sign) = sign.filter(|_| keys.contains(content)) {
            if last_mark != Some(sign) {
                *tally.entry(redact::KEY).or_default() += 1;
                clean.push(sign);
                clean.push_str(&redact::mark(redact::KEY));
                clean.push('\n');
            }
            last_mark = Some(sign);
            continue;
        }
        last_mark = None;
        clean.push_str(if line.starts_with("@@ ") { place(line, keys) } else { line });
        clean.push('\n');
    }
}

/// The head of a hunk without the line that it quotes, if that may be cut from one of a key.
fn place<'a>(line: &'a str, keys: &BTreeSet<&str>) -> &'a str {
    let Some(end) = line.get(2..).and_then(|rest| rest.find("@@")).map(|end| end + 4) else {
        return line;
    };
    let quoted = trim(line.get(end..).unwrap_or_default());
    let is_key = !quoted.is_empty() && keys.iter().any(|key| key.starts_with(quoted));
    if is_key { line.get(..end).unwrap_or_default() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key as it is written, of no use to anybody.
    fn key() -> Vec<String> {
        let body = (0..9).map(|at| format!("MII{at}aGVyZSBpcyBub3RoaW5nIHRvIHNlZQ"));
        let mut lines = vec![format!("-----BEGIN RSA PRIVATE {}-----", "KEY")];
        lines.extend(body);
        lines.push(format!("-----END RSA PRIVATE {}-----", "KEY"));
        lines
    }

    fn patch(hunk: &[String]) -> String {
        format!("{FILE}a/k b/k\n--- a/k\n+++ b/k\n{}\n", hunk.join("\n"))
    }

    #[test]
    fn lines_of_a_key_are_taken_out_of_a_hunk_that_shows_no_end_of_it() {
        let mut key = key();
        let whole: Vec<String> = std::iter::once("@@ -1,11 +1,12 @@".to_owned())
            .chain(key.iter().map(|line| format!(" {line}")))
            .chain(["+changed = 1".to_owned()])
            .collect();
        let quoted = key.remove(2);
        let hunk = [
            format!("@@ -8,3 +8,4 @@ {}", &quoted[..20]),
            format!(" {}", key[6]),
            format!("-{}", key[7]),
            format!("+{}", key[8]),
            "+changed = 1".to_owned(),
        ];
        let mut tally = Tally::new();
        let clean = without_keys(&patch(&hunk), &patch(&whole), &mut tally);
        let mark = "[redacted:private-key]";
        let expect = [
            "@@ -8,3 +8,4 @@".to_owned(),
            format!(" {mark}"),
            format!("-{mark}"),
            format!("+{mark}"),
            "+changed = 1".to_owned(),
        ];
        assert_eq!(clean, patch(&expect));
        assert_eq!(tally, Tally::from([("private-key", 3)]));
    }

    #[test]
    fn a_patch_without_keys_stays_and_a_file_that_nothing_is_known_of_goes() {
        let hunk = patch(&["@@ -1 +1 @@ fn main() {".to_owned(), "-a".to_owned(), "+b".to_owned()]);
        assert_eq!(without_keys(&hunk, &hunk, &mut Tally::new()), hunk);
        assert_eq!(without_keys(&hunk, "", &mut Tally::new()), "");
    }
}
