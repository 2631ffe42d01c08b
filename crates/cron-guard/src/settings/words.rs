//! The values of `guard.toml` and of `job add`: read from text once, wrong ones refused with a reason.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use common::duration;
use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// What a wrong decision about a job costs, and so what happens when nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tier {
    /// Runs when the journal cannot be read
    #[default]
    Low,
    /// As low; meant for jobs that a probe may try again
    Mid,
    /// Sends, deploys or pays: one failure opens it, only a person resumes it, blocked when the journal cannot be read
    High,
}

impl Tier {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Mid => "mid",
            Self::High => "high",
        }
    }

    /// Failures in a row that open a job of this tier.
    pub(crate) fn threshold(self) -> u32 {
        match self {
            Self::Low | Self::Mid => 3,
            Self::High => 1,
        }
    }
}

/// Whether the guard blocks or only tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Evaluates, alerts and blocks
    #[default]
    Enforce,
    /// Evaluates and alerts, and never blocks
    Observe,
}

impl Mode {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}

/// Who may open a blocked job again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PolicyWord {
    /// A person, by `resume`
    Manual,
    /// A probe after the cooldown, or a person
    Probe,
}

impl PolicyWord {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Probe => "probe",
        }
    }
}

/// What flapping does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Flapping {
    Warn,
    Block,
}

/// A whole number of at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u32);

impl Count {
    /// The largest that is accepted; a larger threshold never trips, which is what `observe` is for.
    const MAX: i64 = 1000;

    fn of(number: i64) -> Result<Self, String> {
        match u32::try_from(number) {
            Ok(count) if (1..=Self::MAX).contains(&number) => Ok(Self(count)),
            _ => Err(format!("{number} is not a number from 1 to {}", Self::MAX)),
        }
    }
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::of(text.parse().map_err(|_| format!("not a number from 1 to {}", Self::MAX))?)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number from 1 to {}", Count::MAX)
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Count, E> {
                Count::of(number).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Number)
    }
}

/// A duration as on the command line, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length(pub(crate) Duration);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Length;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"90s\", \"15m\" or \"1h30m\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Length, E> {
                duration::parse(text).map(Length).map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Length, E> {
                let seconds = u64::try_from(seconds)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))?;
                let length = Duration::from_secs(seconds);
                if length > duration::MAX {
                    return Err(E::custom(duration::DurationError::TooLong));
                }
                Ok(Length(length))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// A [`Length`] that is not empty: a job that starts every zero seconds, or may take none, is a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Length(length) = Length::deserialize(deserializer)?;
        if length.is_zero() {
            return Err(D::Error::custom("must be more than zero"));
        }
        Ok(Self(length))
    }
}

/// Exit codes: a list of numbers, or text with numbers and ranges, as `77,78` or `0-3,75`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CodeList(pub(crate) Vec<u8>);

impl FromStr for CodeList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let code = |part: &str| {
            part.trim().parse::<u8>().map_err(|_| format!("`{}` is not an exit code", part.trim()))
        };
        let mut codes = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            match part.split_once('-') {
                Some((first, last)) => {
                    let (first, last) = (code(first)?, code(last)?);
                    if first > last {
                        return Err(format!("the range `{}` is upside down", part.trim()));
                    }
                    codes.extend(first..=last);
                }
                None => codes.push(code(part)?),
            }
        }
        Ok(Self(codes))
    }
}

impl fmt::Display for CodeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self.0.chunk_by(|code, next| code.checked_add(1) == Some(*next));
        let parts: Vec<String> = ranges
            .filter_map(|range| match range {
                [] => None,
                [code] => Some(code.to_string()),
                [first, .., last] => Some(format!("{first}-{last}")),
            })
            .collect();
        f.write_str(&parts.join(","))
    }
}

impl<'de> Deserialize<'de> for CodeList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "exit codes such as [77, 78] or \"77,78\"")]
        enum Form {
            Text(String),
            List(Vec<u8>),
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => text.parse().map_err(D::Error::custom),
            Form::List(codes) => Ok(Self(codes)),
        }
    }
}

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Usd,
    Tokens,
    Runs,
    Minutes,
}

impl Unit {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Usd => "usd",
            Self::Tokens => "tokens",
            Self::Runs => "runs",
            Self::Minutes => "minutes",
        }
    }
}

/// A cap over a rolling window, as `usd=5/24h`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Budget {
    pub(crate) unit: Unit,
    pub(crate) cap: f64,
    pub(crate) window: Duration,
    /// The window as it was written: who says 24h reads 24h, and not 1d.
    written: String,
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str =
            "a budget is written as usd=5/24h; units are usd, tokens, runs and minutes";
        let (unit, rest) = text.split_once('=').ok_or(FORM)?;
        let (cap, window) = rest.split_once('/').ok_or(FORM)?;
        let unit = [Unit::Usd, Unit::Tokens, Unit::Runs, Unit::Minutes]
            .into_iter()
            .find(|known| known.as_str() == unit.trim())
            .ok_or(FORM)?;
        let cap: f64 = cap.trim().parse().map_err(|_| FORM)?;
        if !cap.is_finite() {
            return Err("the cap of a budget must be a number".to_owned());
        }
        if cap < 0.0 {
            return Err("the cap of a budget must not be negative".to_owned());
        }
        let written = window.trim().to_owned();
        let window = duration::parse(window).map_err(|error| error.to_string())?;
        if window.is_zero() {
            return Err("the window of a budget must not be empty".to_owned());
        }
        Ok(Self { unit, cap, window, written })
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}/{}", self.unit.as_str(), self.cap, self.written)
    }
}

impl<'de> Deserialize<'de> for Budget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
