//! The form of an error, without what differs from run to run: two failures of one cause have one signature.

use common::fleet::runs::Run;

use crate::tail::plain;

/// How much of the last line counts, in characters.
const LINE_MAX: usize = 200;

/// How `run` failed: its exit code or signal or reason, and the last line of its stderr.
pub(crate) fn of(run: &Run) -> String {
    let end = match (run.reason.as_deref(), run.signal, run.exit_code) {
        (Some(reason), _, _) => reason.to_owned(),
        (None, Some(signal), _) => format!("signal {signal}"),
        (None, None, Some(code)) => format!("exit {code}"),
        (None, None, None) => "still running".to_owned(),
    };
    let tail = plain(run.stderr_tail.as_deref().unwrap_or_default());
    match tail.lines().rev().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => format!("{end}: {}", without_numbers(line)),
        None => end,
    }
}

/// The line with every word that has a digit as `#`: times, ids, addresses, counts.
fn without_numbers(line: &str) -> String {
    let clean = common::out::sanitize(line);
    let mut text = String::new();
    let mut word = String::new();
    for character in clean.chars().take(LINE_MAX).chain([' ']) {
        if character.is_alphanumeric() {
            word.push(character);
            continue;
        }
        if word.chars().any(|c| c.is_ascii_digit()) {
            text.push('#');
        } else {
            text.push_str(&word);
        }
        word.clear();
        text.push(character);
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::without_numbers;

    #[test]
    fn what_differs_from_run_to_run_does_not_count() {
        for (one, other) in [
            (
                "2026-11-21T02:00:03Z connect 10.0.0.7:5432 refused",
                "2026-11-22T02:00:04Z connect 10.0.0.9:5432 refused",
            ),
            ("/tmp/tmp9f3a: no space left", "/tmp/tmp771c: no space left"),
            ("request 01a1fe6b failed after 3 tries", "request 02ff failed after 12 tries"),
        ] {
            assert_eq!(without_numbers(one), without_numbers(other));
        }
        assert_ne!(without_numbers("connection refused"), without_numbers("permission denied"));
        assert_eq!(without_numbers("HTTP 503 from api"), "HTTP # from api");
    }
}
