//! The one place that reads the wall clock, and the type of a moment.
//!
//! A moment is whole milliseconds since 1970 in UTC, in the database as in the code; people and
//! programs see RFC 3339. `AGENT_PLUMBING_CLOCK` is for tests: `@1767225600000` stops the clock at that
//! millisecond, `+90m` or `-1h` shifts it while it runs on.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, TimeZone as _, Utc};
use serde::{Serialize, Serializer};

use crate::{duration, environment};

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `duration` later; bounded, never overflows.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration::millis(duration)))
    }

    /// The moment `duration` earlier; bounded, never overflows.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration::millis(duration)))
    }

    /// The time from `earlier` to this moment; zero when the clock went back between them.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment in the calendar; moments beyond the calendar's range give its ends.
    pub fn to_utc(self) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(self.0).single().unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }

    /// For people: `3m ago`, `in 2h`, `just now`.
    pub fn relative(self, now: Self) -> String {
        let (past, distance) =
            if self <= now { (true, now.since(self)) } else { (false, self.since(now)) };
        if distance < Duration::from_secs(1) {
            return "just now".to_owned();
        }
        let text = duration::human(distance);
        if past { format!("{text} ago") } else { format!("in {text}") }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "sqlite")]
impl rusqlite::ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

#[cfg(feature = "sqlite")]
impl rusqlite::types::FromSql for Timestamp {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

/// What `AGENT_PLUMBING_CLOCK` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hands {
    Running,
    Stopped(i64),
    Shifted(i64),
}

fn hands(setting: Option<&str>) -> Hands {
    let Some(setting) = setting else { return Hands::Running };
    let parsed = if let Some(millis) = setting.strip_prefix('@') {
        millis.parse().ok().map(Hands::Stopped)
    } else if let Some(ahead) = setting.strip_prefix('+') {
        duration::parse(ahead).ok().map(|ahead| Hands::Shifted(duration::millis(ahead)))
    } else if let Some(behind) = setting.strip_prefix('-') {
        duration::parse(behind).ok().map(|behind| Hands::Shifted(-duration::millis(behind)))
    } else {
        None
    };
    parsed.unwrap_or(Hands::Running)
}

/// Where the clock that is followed stood when the machine started, in Unix milliseconds; nothing is followed yet.
static FOLLOWED: AtomicI64 = AtomicI64::new(i64::MIN);

/// From now on moments are of another clock than this machine's: of the server that has the fleet database, on
/// which several machines agree. It stood at `there` just now; a clock set for tests goes on by itself.
pub fn follow(there: Timestamp) {
    FOLLOWED.store(there.0.saturating_sub(steady_millis()), Ordering::Relaxed);
}

/// The moment now.
pub fn now() -> Timestamp {
    static HANDS: OnceLock<Hands> = OnceLock::new();
    let hands = *HANDS.get_or_init(|| hands(environment::text("AGENT_PLUMBING_CLOCK").as_deref()));
    match hands {
        Hands::Running => Timestamp(followed().unwrap_or_else(system_millis)),
        Hands::Stopped(millis) => Timestamp(millis),
        Hands::Shifted(by) => Timestamp(system_millis().saturating_add(by)),
    }
}

/// The clock that is followed, which goes on between two looks at it however this machine's is set.
fn followed() -> Option<i64> {
    let started = FOLLOWED.load(Ordering::Relaxed);
    (started != i64::MIN).then(|| started.saturating_add(steady_millis()))
}

/// Milliseconds that nobody sets, sleep included.
fn steady_millis() -> i64 {
    #[cfg(target_os = "linux")]
    {
        let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        since.tv_sec.saturating_mul(1_000).saturating_add(since.tv_nsec / 1_000_000)
    }
    #[cfg(not(target_os = "linux"))]
    system_millis()
}

#[expect(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
fn system_millis() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        // A clock before 1970 is a machine without a battery; its moments still have an order.
        Err(before) => {
            i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_rfc_3339_in_utc_with_milliseconds() {
        assert_eq!(Timestamp(1_767_225_600_123).to_string(), "2026-01-01T00:00:00.123Z");
        assert_eq!(serde_json::to_string(&Timestamp(0)).unwrap(), "\"1970-01-01T00:00:00.000Z\"");
    }

    #[test]
    fn arithmetic_with_moments_never_overflows_or_goes_negative() {
        assert_eq!(Timestamp(i64::MAX).plus(duration::MAX), Timestamp(i64::MAX));
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        let _ = Timestamp(i64::MAX).to_string();
        let _ = Timestamp(i64::MIN).to_string();
    }

    #[test]
    fn the_test_clock_stops_or_shifts_and_nonsense_changes_nothing() {
        for (setting, expect) in [
            (None, Hands::Running),
            (Some("@42"), Hands::Stopped(42)),
            (Some("+90m"), Hands::Shifted(5_400_000)),
            (Some("-1h"), Hands::Shifted(-3_600_000)),
            (Some("noon"), Hands::Running),
        ] {
            assert_eq!(hands(setting), expect);
        }
    }

    #[test]
    fn relative_times_look_both_ways() {
        let now = Timestamp(10_000_000);
        assert_eq!(now.minus(Duration::from_secs(90)).relative(now), "1m 30s ago");
        assert_eq!(now.plus(Duration::from_secs(7200)).relative(now), "in 2h");
        assert_eq!(now.relative(now), "just now");
    }
}
