//! One measurement, and how it is said.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// What a bench measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    /// The package and its bench.
    #[serde(default)]
    pub(super) bench: String,
    pub(super) name: String,
    /// Of floor and product: ms, /s, MiB, share.
    pub(super) unit: String,
    /// What the same would cost without the product; absent where there is no such thing.
    pub(super) floor: Option<f64>,
    pub(super) product: f64,
    /// `<= 1.3` of the ratio where there is a floor, else of the product; empty where nothing was promised.
    pub(super) goal: String,
}

impl Row {
    /// Reads the line of a bench.
    pub(super) fn read(bench: &str, line: &str) -> Result<Self> {
        let row: Self = serde_json::from_str(line)
            .with_context(|| format!("{bench} printed what is no measurement: {line}"))?;
        Ok(Self { bench: bench.to_owned(), ..row })
    }

    /// The product beside the floor.
    pub(super) fn ratio(&self) -> Option<f64> {
        self.floor.map(|floor| self.product / floor.max(f64::EPSILON))
    }

    /// What is held against the goal.
    pub(super) fn judged(&self) -> f64 {
        self.ratio().unwrap_or(self.product)
    }

    /// The number of the goal, and whether more is better.
    pub(super) fn limit(&self) -> Option<(f64, bool)> {
        let (sign, limit) = self.goal.split_once(' ')?;
        Some((limit.parse().ok()?, sign.starts_with('>')))
    }

    /// Whether the goal is met, where there is one.
    pub(super) fn is_met(&self) -> Option<bool> {
        let (limit, is_more_better) = self.limit()?;
        let judged = self.judged();
        Some(if is_more_better { judged >= limit } else { judged <= limit })
    }
}

/// Prints a table.
pub(super) fn print(rows: &[Row]) {
    let Some(first) = rows.first() else { return };
    println!("\n{}", first.bench);
    println!("{:<56} {:>11} {:>11}  {:<7} {:>7}  goal", "", "floor", "product", "", "ratio");
    for row in rows {
        let number = |number: Option<f64>| number.map_or_else(String::new, |n| format!("{n:.2}"));
        let verdict = if row.is_met() == Some(false) { "  missed" } else { "" };
        println!(
            "{:<56} {:>11} {:>11}  {:<7} {:>7}  {}{verdict}",
            row.name,
            number(row.floor),
            number(Some(row.product)),
            row.unit,
            number(row.ratio()),
            row.goal
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> Row {
        Row::read("a b", line).unwrap()
    }

    #[test]
    fn a_goal_is_held_against_the_ratio_and_without_a_floor_against_the_product() {
        let line = r#"{"name":"n","unit":"ms","floor":2.0,"product":3.0,"goal":"<= 1.4"}"#;
        assert_eq!(row(line).is_met(), Some(false));
        let line = r#"{"name":"n","unit":"/s","floor":2.0,"product":3.0,"goal":">= 1.4"}"#;
        assert_eq!(row(line).is_met(), Some(true));
        let line = r#"{"name":"n","unit":"ms","floor":null,"product":3.0,"goal":"<= 100"}"#;
        assert_eq!(row(line).is_met(), Some(true));
        let line = r#"{"name":"n","unit":"ms","floor":null,"product":3.0,"goal":""}"#;
        assert_eq!(row(line).is_met(), None);
        assert!(Row::read("a b", "ready").is_err());
    }
}
