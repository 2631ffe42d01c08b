//! The scheduled slot of a run: given, or the minute in which the run starts.

use std::str::FromStr;

use common::clock::Timestamp;
use common::name::{Name, NameError};

/// A slot as it is asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The minute in which the run starts.
    Auto,
    /// This one.
    Named(Name),
}

impl FromStr for Slot {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "auto" { Ok(Self::Auto) } else { text.parse().map(Self::Named) }
    }
}

impl Slot {
    /// The slot's name for a run that starts now.
    pub(crate) fn name(&self, now: Timestamp) -> String {
        match self {
            Self::Auto => now.to_utc().format("%Y-%m-%dT%H:%MZ").to_string(),
            Self::Named(name) => name.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_automatic_slot_is_the_minute_and_a_given_one_is_kept() {
        let now = Timestamp(1_767_225_659_999);
        assert_eq!("auto".parse::<Slot>().unwrap().name(now), "2026-01-01T00:00Z");
        assert_eq!("week-7".parse::<Slot>().unwrap().name(now), "week-7");
        assert!("a\nb".parse::<Slot>().is_err());
    }
}
