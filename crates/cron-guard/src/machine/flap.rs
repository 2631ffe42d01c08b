//! Flapping: outcomes that change too often, by the formula of Nagios.
//!
//! The last 21 outcomes have up to 20 changes between them; a change weighs from 0.75 (the oldest)
//! to 1.25 (the newest), and the sum is a percentage of 20. A job that fails twice and succeeds once,
//! again and again, never fails three times in a row; this is what finds it.

use super::Mark;

/// How many outcomes are looked at.
const WINDOW: usize = 21;
/// How many outcomes there must be before anything is said.
const AT_LEAST: usize = 10;

/// The percentages at which flapping starts and stops.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    pub(crate) start: f64,
    pub(crate) stop: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { start: 50.0, stop: 25.0 }
    }
}

/// The percentage of change in `recent`, newest last; `None` while there are too few outcomes.
pub(crate) fn percentage(recent: &str) -> Option<f64> {
    let outcomes: Vec<bool> = recent
        .chars()
        .rev()
        .filter_map(|letter| Mark::from_letter(letter)?.is_failure())
        .take(WINDOW)
        .collect();
    if outcomes.len() < AT_LEAST {
        return None;
    }
    // Newest first here, so the first change is the twentieth, which weighs the most.
    let mut sum = 0.0;
    let mut weight = 1.25;
    for pair in outcomes.windows(2) {
        if let [newer, older] = pair
            && newer != older
        {
            sum += weight;
        }
        weight -= 0.5 / 19.0;
    }
    Some(sum * 100.0 / 20.0)
}

#[cfg(test)]
mod tests {
    use super::percentage;

    #[test]
    fn the_percentages_are_those_of_the_formula() {
        // The newest change alone, the oldest alone, the five newest, and the patterns that people have.
        let newest = format!("{}x", "o".repeat(20));
        let oldest = format!("x{}", "o".repeat(20));
        let five = format!("{}xoxox", "o".repeat(16));
        let every_third = "oox".repeat(7);
        let every_fifth = format!("o{}", "oooox".repeat(4));
        for (recent, expect) in [
            (newest.as_str(), 6.25),
            (oldest.as_str(), 3.75),
            (five.as_str(), 29.9),
            (&"xo".repeat(11), 100.0),
            (every_third.as_str(), 64.5),
            (every_fifth.as_str(), 36.1),
            (&"o".repeat(21), 0.0),
        ] {
            let found = percentage(recent).unwrap();
            assert!((found - expect).abs() < 1.5, "{recent}: {found} instead of {expect}");
        }
    }

    #[test]
    fn nothing_is_said_of_fewer_than_ten_outcomes_and_neutral_ones_do_not_count() {
        assert_eq!(percentage("xoxoxoxox"), None);
        assert_eq!(percentage("xoxonnnnoxoxo").map(f64::round), None);
        assert_eq!(percentage(&"xn".repeat(12)), Some(0.0));
    }
}
