//! Since when this machine has been awake: it was off before it booted, and asleep in between.

use common::clock::Timestamp;
use common::sql::{self, Connection};
use rustix::time::{ClockId, clock_gettime};

use crate::store::facts;

/// The fact that holds how long the machine had slept when that was last looked at.
const FACT: &str = "awake";
/// A difference between the two clocks that is no sleep.
const NOISE: i64 = 1000;

/// Both clocks of the machine: one stops while it sleeps.
fn clocks() -> (i64, i64) {
    let millis = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec.saturating_mul(1000) + time.tv_nsec / 1_000_000
    };
    (millis(ClockId::Monotonic), since_boot(millis))
}

#[cfg(target_os = "linux")]
fn since_boot(millis: impl Fn(ClockId) -> i64) -> i64 {
    millis(ClockId::Boottime)
}

/// Elsewhere the monotonic clock is all there is, and a sleep looks like lateness.
#[cfg(not(target_os = "linux"))]
fn since_boot(millis: impl Fn(ClockId) -> i64) -> i64 {
    millis(ClockId::Monotonic)
}

/// Since when the machine has been awake, as far as is known; and what to remember of it.
pub(crate) fn since(connection: &Connection, now: Timestamp) -> sql::Result<(Timestamp, String)> {
    let (awake, up) = clocks();
    let known = facts::get(connection, FACT)?;
    Ok(judge(known.as_ref().map(|(value, _)| value.as_str()), up - awake, up, now))
}

/// Remembers what [`since`] said.
pub(crate) fn remember(tx: &Connection, value: &str, now: Timestamp) -> sql::Result<()> {
    facts::put(tx, FACT, value, now)
}

fn judge(known: Option<&str>, slept: i64, up: i64, now: Timestamp) -> (Timestamp, String) {
    let booted = Timestamp(now.0.saturating_sub(up));
    let known = known.and_then(|known| {
        let (slept, woke) = known.split_once(' ')?;
        Some((slept.parse::<i64>().ok()?, Timestamp(woke.parse().ok()?)))
    });
    let woke = match known {
        // It slept since the last look; when exactly it woke is not known, so that was now.
        Some((before, _)) if slept > before + NOISE => now,
        // It slept less than before: that was another boot.
        Some((before, woke)) if slept + NOISE >= before => woke.max(booted).min(now),
        Some(_) | None => booted,
    };
    (woke, format!("{slept} {}", woke.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_since_the_last_look_ended_now_and_a_boot_counts_as_waking() {
        let now = Timestamp(10_000_000);
        let (woke, fact) = judge(None, 0, 4_000_000, now);
        assert_eq!(woke, Timestamp(6_000_000));
        let later = Timestamp(11_000_000);
        let (woke, fact) = judge(Some(&fact), 100, 5_000_000, later);
        assert_eq!(woke, Timestamp(6_000_000));
        let (woke, fact) = judge(Some(&fact), 900_000, 6_000_000, Timestamp(12_000_000));
        assert_eq!(woke, Timestamp(12_000_000));
        let (woke, fact) = judge(Some(&fact), 900_000, 7_000_000, Timestamp(13_000_000));
        assert_eq!(woke, Timestamp(12_000_000));
        let (woke, _) = judge(Some(&fact), 0, 1_000, Timestamp(20_000_000));
        assert_eq!(woke, Timestamp(19_999_000));
    }
}
