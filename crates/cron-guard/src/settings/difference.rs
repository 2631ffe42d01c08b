//! In what two declarations of a job differ: in words for the records, and in what hangs on it.

use std::time::Duration;

use super::{JobSettings, words};
use crate::machine::Policy;

impl JobSettings {
    /// Whether its starts are due at the same moments.
    pub(crate) fn is_due_as(&self, other: &Self) -> bool {
        (&self.schedule, &self.tz, self.every) == (&other.schedule, &other.tz, other.every)
    }

    /// What changed from `self` to `other`, in words: `threshold 3 to 10, mode enforce to observe`.
    pub(crate) fn changes_to(&self, other: &Self) -> String {
        let changes: Vec<String> = self
            .in_words()
            .into_iter()
            .zip(other.in_words())
            .filter(|((_, before), (_, after))| before != after)
            .map(|((key, before), (_, after))| format!("{key} {before} to {after}"))
            .collect();
        changes.join(", ")
    }

    /// Whether a job that is blocked stays so by either: what differs says at most when it is due, or whose it is.
    pub(crate) fn is_gated_as(&self, other: &Self) -> bool {
        // The wait before a probe was settled when the job was blocked.
        let about_time = ["schedule", "tz", "every", "grace", "owner", "cooldown"];
        let mut words = self.in_words().into_iter().zip(other.in_words());
        words.all(|((key, before), (_, after))| before == after || about_time.contains(&key))
    }

    /// Everything that a declaration says, by its key.
    fn in_words(&self) -> Vec<(&'static str, String)> {
        let length = |length: Option<Duration>| length.map(common::duration::human);
        let codes = |codes: &[u8]| words::CodeList(codes.to_vec()).to_string();
        let budgets: Vec<String> = self.budgets.iter().map(ToString::to_string).collect();
        let policy = if self.rules.policy == Policy::Probe { "probe" } else { "manual" };
        let words = [
            ("schedule", self.schedule.clone()),
            ("tz", self.tz.clone()),
            ("every", length(self.every)),
            ("grace", length(Some(self.grace))),
            ("owner", self.owner.clone()),
            ("labels", Some(self.labels.join("+"))),
            ("tier", Some(self.tier.as_str().to_owned())),
            ("threshold", Some(self.rules.threshold.to_string())),
            ("recover", Some(self.rules.recover.to_string())),
            ("cooldown", length(Some(self.rules.cooldown))),
            ("policy", Some(policy.to_owned())),
            ("mode", Some(self.mode.as_str().to_owned())),
            ("max_runtime", length(self.rules.max_runtime)),
            ("trip_now", Some(codes(&self.codes.trip_now))),
            ("neutral", Some(codes(&self.codes.neutral))),
            ("budget", Some(budgets.join("+"))),
        ];
        let none = || "none".to_owned();
        words
            .into_iter()
            .map(|(key, word)| (key, word.filter(|word| !word.is_empty()).unwrap_or_else(none)))
            .collect()
    }
}
