//! The end of what a job wrote to stderr, without the secrets that were in it.
//!
//! It goes into the journal, into alerts, and with them to other machines.

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

#[cfg(test)]
mod tests {
    use super::*;

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
