//! What was acknowledged, kept outside the product.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The ledger of one soak.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Facts>);

/// What the ledger knows.
#[derive(Default)]
pub(super) struct Facts {
    /// Acknowledged writes: (agent, key) to version to value.
    pub(super) writes: BTreeMap<(String, String), BTreeMap<i64, String>>,
    /// Blocked spells that were seen, by job.
    pub(super) incidents: BTreeMap<String, u64>,
    counts: BTreeMap<&'static str, u64>,
    violations: Vec<String>,
}

impl Ledger {
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts something that happened.
    pub(super) fn count(&self, what: &'static str) {
        *self.facts().counts.entry(what).or_default() += 1;
    }

    /// Notes that the product broke a promise.
    pub(super) fn violation(&self, what: String) {
        eprintln!("soak: VIOLATION: {what}");
        self.facts().violations.push(what);
    }

    /// Notes an acknowledged write; the same version acknowledged twice is a violation.
    pub(super) fn wrote(&self, agent: &str, key: &str, version: i64, value: &str) {
        let place = (agent.to_owned(), key.to_owned());
        let before =
            self.facts().writes.entry(place).or_default().insert(version, value.to_owned());
        if let Some(before) = before {
            self.violation(format!(
                "{agent}/{key} version {version} was acknowledged for {before} and for {value}"
            ));
        }
    }

    pub(super) fn violations(&self) -> usize {
        self.facts().violations.len()
    }

    pub(super) fn print(&self) {
        let facts = self.facts();
        for (what, count) in &facts.counts {
            println!("  {count:>7}  {what}");
        }
        println!("  {:>7}  violations", facts.violations.len());
        for violation in &facts.violations {
            println!("           {violation}");
        }
    }
}
