//! Durations of the command line: `90s`, `15m`, `1h30m`, `7d`; a bare number is seconds.
//!
//! Never negative, never more than 100 years, so that adding one to a timestamp cannot overflow.

use std::time::Duration;

/// The longest duration that is accepted: 100 years of 365 days.
pub const MAX: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is not understood.
    #[error("not a duration; write it as 90s, 15m, 1h30m or 7d")]
    Form,
    /// The duration is below zero.
    #[error("a duration must not be negative")]
    Negative,
    /// The duration is longer than [`MAX`].
    #[error("a duration of more than 100 years is not accepted")]
    TooLong,
}

/// Reads a duration of the command line.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err(DurationError::Negative);
    }
    // The library reads M as a month; who writes 15M beside 15m means minutes, or has not decided.
    if text.contains('M') {
        return Err(DurationError::Form);
    }
    let duration = if text.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && text.chars().all(|character| character.is_ascii_digit() || character == '.')
    {
        let seconds: f64 = text.parse().map_err(|_| DurationError::Form)?;
        Duration::try_from_secs_f64(seconds).map_err(|_| DurationError::TooLong)?
    } else {
        humantime::parse_duration(text).map_err(|error| match error {
            humantime::DurationError::NumberOverflow => DurationError::TooLong,
            _ => DurationError::Form,
        })?
    };
    if duration > MAX {
        return Err(DurationError::TooLong);
    }
    Ok(duration)
}

/// A duration as people say it, in at most two units: `1h 30m`, `12s`, `250ms`.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (big, small, units) = match seconds {
        0 if duration.as_millis() == 0 => return "0s".to_owned(),
        0 => return format!("{}ms", duration.as_millis()),
        1..60 => return format!("{seconds}s"),
        60..3600 => (seconds / 60, seconds % 60, ("m", "s")),
        3600..86_400 => (seconds / 3600, seconds % 3600 / 60, ("h", "m")),
        _ => (seconds / 86_400, seconds % 86_400 / 3600, ("d", "h")),
    };
    if small == 0 {
        format!("{big}{}", units.0)
    } else {
        format!("{big}{} {small}{}", units.0, units.1)
    }
}

/// Whole milliseconds of a duration, for a database; bounded by [`MAX`].
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.min(MAX).as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, expect) in [
            ("90s", Ok(90_000)),
            ("15m", Ok(900_000)),
            ("1h30m", Ok(5_400_000)),
            ("7d", Ok(604_800_000)),
            ("30", Ok(30_000)),
            ("2.5", Ok(2_500)),
            ("0", Ok(0)),
            ("250ms", Ok(250)),
            ("-5m", Err(DurationError::Negative)),
            ("", Err(DurationError::Form)),
            ("soon", Err(DurationError::Form)),
            ("15M", Err(DurationError::Form)),
            ("1.2.3", Err(DurationError::Form)),
            ("99999999999999999999", Err(DurationError::TooLong)),
            ("99999999999999999999s", Err(DurationError::TooLong)),
            ("101years", Err(DurationError::TooLong)),
        ] {
            assert_eq!(parse(text).map(millis), expect, "{text:?}");
        }
    }

    #[test]
    fn durations_are_said_in_at_most_two_units() {
        for (seconds, expect) in
            [(0, "0s"), (5, "5s"), (60, "1m"), (90, "1m 30s"), (5400, "1h 30m"), (90_000, "1d 1h")]
        {
            assert_eq!(human(Duration::from_secs(seconds)), expect);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_no_duration_is_too_long(text in "\\PC*|[-+.0-9 smhdwyMn]{0,24}|[0-9]{15,25}(s|ns|d|years)( [0-9]{15,25}s)?") {
            if let Ok(duration) = parse(&text) {
                assert!(duration <= MAX);
                let _ = human(duration);
            }
        }

        #[test]
        fn whole_seconds_are_read_back_in_every_unit(seconds in 0_u64..=100 * 365 * 86_400) {
            let expect = Ok(Duration::from_secs(seconds));
            assert_eq!(parse(&seconds.to_string()), expect);
            assert_eq!(parse(&format!("{seconds}s")), expect);
            let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
            assert_eq!(parse(&format!("{hours}h{minutes}m{}s", seconds % 60)), expect);
        }
    }
}
