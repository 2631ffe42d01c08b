//! What people are told about a pack.

use crate::kind::Kind;
use crate::pack::Pack;
use crate::redact::{Tally, redact};
use crate::render::Depth;
use crate::request::Request;

/// How many files the summary names besides a test.
const NAMED: usize = 3;

/// How many agents of a workspace it names.
const AGENTS: usize = 5;

/// The lines for stderr.
pub(crate) fn lines(pack: &Pack, request: &Request) -> Vec<String> {
    let mut lines = vec![
        format!("{} files scanned", thousands(pack.n_scanned)),
        format!("{} high-signal files packed", thousands(pack.packed().count())),
        format!(
            "{} characters, {} of {} tokens",
            thousands(pack.document.chars().count()),
            thousands(pack.n_tokens),
            thousands(request.budget.asked.0)
        ),
    ];
    let priority = priority(pack);
    if !priority.is_empty() {
        // Cron mails it, and a file can be named after a token.
        let names = redact(&priority.join(", "), &mut Tally::new()).into_owned();
        lines.push(format!("Priority: {names}"));
    }
    if request.budget.model.is_some() {
        lines.push(format!(
            "Budget: {} asked, {} {}",
            thousands(request.budget.asked.0),
            thousands(pack.limit),
            request.budget.tokenizer.name()
        ));
    }
    let left_out = pack.left_out.iter().map(|(reason, count)| counted(*count, reason.plural()));
    let left_out: Vec<String> = left_out.collect();
    if !left_out.is_empty() {
        lines.push(format!("Left out: {}", left_out.join(", ")));
    }
    let redacted: Vec<String> =
        pack.redacted.iter().map(|(kind, count)| format!("{} {kind}", thousands(*count))).collect();
    if !redacted.is_empty() {
        lines.push(format!("Redacted: {}", redacted.join(", ")));
    }
    if !pack.agents.is_empty() {
        let named: Vec<&str> = pack.agents.iter().take(AGENTS).map(String::as_str).collect();
        lines.push(format!(
            "Several agents: {}; --agent NAME keeps the others' instructions out",
            named.join(", ")
        ));
    }
    lines
}

/// The best files by name, and the folder of the best test.
fn priority(pack: &Pack) -> Vec<String> {
    let mut packed: Vec<_> = pack.packed().collect();
    // What is shown as it stands says more about the pack than what is outlined, and what
    // must be read first says most.
    packed.sort_by_key(|file| (file.depth == Some(Depth::Outline), file.value.kind > Kind::Readme));
    let (tests, others): (Vec<_>, Vec<_>) =
        packed.into_iter().partition(|file| file.value.kind == Kind::Test);
    let mut names: Vec<String> = others.iter().take(NAMED).map(|file| file.name.clone()).collect();
    names.extend(tests.first().map(|test| match test.name.split_once('/') {
        Some((folder, _)) => format!("{folder}/"),
        None => test.name.clone(),
    }));
    names
}

/// `3 logs`, `1 log`.
pub(crate) fn counted(count: usize, plural: &str) -> String {
    let word = if count == 1 { plural.strip_suffix('s').unwrap_or(plural) } else { plural };
    format!("{} {word}", thousands(count))
}

/// A number with commas between its thousands.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas() {
        for (number, expect) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(thousands(number), expect);
        }
        assert_eq!(counted(1, "lock files"), "1 lock file");
    }
}
