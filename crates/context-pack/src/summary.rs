//! What people are told about a pack.

use crate::pack::Pack;

/// The lines for stderr.
pub(crate) fn lines(pack: &Pack) -> Vec<String> {
    let mut lines = vec![
        format!("{} files scanned", thousands(pack.n_scanned)),
        format!("{} high-signal files packed", thousands(pack.files.len())),
        format!(
            "{} characters, {} of {} tokens",
            thousands(pack.document.chars().count()),
            thousands(pack.n_tokens),
            thousands(pack.asked)
        ),
    ];
    if !pack.priority.is_empty() {
        lines.push(format!("Priority: {}", pack.priority.join(", ")));
    }
    let left_out: Vec<String> = pack
        .left_out
        .iter()
        .map(|(reason, count)| format!("{} {}", thousands(*count), reason.plural()))
        .collect();
    if !left_out.is_empty() {
        lines.push(format!("Left out: {}", left_out.join(", ")));
    }
    lines
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
    use super::thousands;

    #[test]
    fn thousands_have_commas() {
        for (number, expect) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(thousands(number), expect);
        }
    }
}
