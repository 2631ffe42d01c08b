//! Late and never ran: what should have started by now, by the declared schedule or interval.
//!
//! Pure: moments come in as arguments. A tick that the gate refused did come, so it is not late; and a
//! machine that slept or was off is not late until the grace time after it woke.

use common::clock::Timestamp;

use crate::schedule::{self, Schedule};
use crate::settings::JobSettings;
use crate::store::jobs::Job;

/// Whether a job came when it should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lateness {
    /// Nothing was declared about when it should run.
    Unscheduled,
    /// It came, or it is not its time yet.
    OnTime,
    /// It should have started at this moment, and did not.
    Late(Timestamp),
    /// It has never started, and should have by this moment.
    NeverRan(Timestamp),
}

impl Lateness {
    /// The moment at which it should have started, when it did not.
    pub(crate) fn missed(self) -> Option<Timestamp> {
        match self {
            Self::Late(slot) | Self::NeverRan(slot) => Some(slot),
            Self::Unscheduled | Self::OnTime => None,
        }
    }
}

/// The declared schedule of a job, in its zone. `None` when there is none, or none that can be read.
pub(crate) fn schedule(own: &JobSettings) -> Option<Schedule> {
    let schedule = Schedule::parse(own.schedule.as_deref()?).ok()?;
    let zone = match own.tz.as_deref() {
        Some(name) => Some(schedule::zone(name).ok()?),
        None => None,
    };
    Some(schedule.in_zone(zone))
}

/// Judges a job whose machine has been awake since `awake_since`.
pub(crate) fn judge(
    job: &Job,
    own: &JobSettings,
    awake_since: Timestamp,
    now: Timestamp,
) -> Lateness {
    let came = job.last_tick_at.max(job.last_started_at);
    let declared_at = job.declared_at.unwrap_or(now);
    let expected = if let Some(schedule) = schedule(own) {
        // The last slot whose grace time is over.
        match schedule.previous(now.minus(own.grace)) {
            Some(slot) if came.is_none_or(|came| came < slot) && slot >= declared_at => slot,
            _ => return Lateness::OnTime,
        }
    } else if let Some(every) = own.every {
        let expected = came.map_or(declared_at, |came| came.max(declared_at)).plus(every);
        if expected.plus(own.grace) > now {
            return Lateness::OnTime;
        }
        expected
    } else {
        return Lateness::Unscheduled;
    };
    if awake_since.plus(own.grace) > now {
        return Lateness::OnTime;
    }
    if came.is_none() { Lateness::NeverRan(expected) } else { Lateness::Late(expected) }
}

/// When a job should start next.
pub(crate) fn next(job: &Job, own: &JobSettings, now: Timestamp) -> Option<Timestamp> {
    match (schedule(own), own.every) {
        (Some(schedule), _) => schedule.next(now),
        (None, Some(every)) => Some(job.last_tick_at.or(job.declared_at)?.plus(every)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis())
    }

    fn own(text: &str) -> JobSettings {
        let text = format!("[job.j]\n{text}\n");
        Settings::parse("/g.toml".into(), text).unwrap().job("j")
    }

    fn job(started: Option<&str>) -> Job {
        Job {
            declared_at: Some(at("2026-01-01T00:00:00Z")),
            last_started_at: started.map(at),
            last_tick_at: started.map(at),
            ..Job::new("j")
        }
    }

    const BOOT: Timestamp = Timestamp(0);

    #[test]
    fn a_start_that_does_not_come_by_its_time_plus_grace_is_late() {
        let nightly = own("schedule = \"0 2 * * *\"\ntz = \"UTC\"\ngrace = \"15m\"");
        let job = job(Some("2026-05-01T02:00:03Z"));
        for (now, expect) in [
            ("2026-05-01T12:00:00Z", Lateness::OnTime),
            ("2026-05-02T02:14:59Z", Lateness::OnTime),
            ("2026-05-02T02:15:00Z", Lateness::Late(at("2026-05-02T02:00:00Z"))),
            ("2026-05-04T01:00:00Z", Lateness::Late(at("2026-05-03T02:00:00Z"))),
        ] {
            assert_eq!(judge(&job, &nightly, BOOT, at(now)), expect, "{now}");
        }
    }

    #[test]
    fn on_the_two_days_when_clocks_change_nothing_is_late_that_ran_and_nothing_is_missed_that_did_not()
     {
        let nightly = own("schedule = \"30 2 * * *\"\ntz = \"Europe/Berlin\"\ngrace = \"15m\"");
        // 29 March 2026: 02:30 does not exist; cron runs it once, at 03:00 summer time.
        let ran = job(Some("2026-03-29T01:00:00Z"));
        assert_eq!(judge(&ran, &nightly, BOOT, at("2026-03-29T12:00:00Z")), Lateness::OnTime);
        let missed = job(Some("2026-03-28T01:30:00Z"));
        assert!(judge(&missed, &nightly, BOOT, at("2026-03-29T12:00:00Z")).missed().is_some());
        // 25 October 2026: 02:30 comes twice; cron runs it once, at the first.
        let ran = job(Some("2026-10-25T00:30:00Z"));
        assert_eq!(judge(&ran, &nightly, BOOT, at("2026-10-25T12:00:00Z")), Lateness::OnTime);
    }

    #[test]
    fn an_interval_counts_from_the_last_start() {
        let hourly = own("every = \"1h\"\ngrace = \"5m\"");
        let ran = job(Some("2026-05-01T10:00:00Z"));
        assert_eq!(judge(&ran, &hourly, BOOT, at("2026-05-01T11:04:59Z")), Lateness::OnTime);
        let late = Lateness::Late(at("2026-05-01T11:00:00Z"));
        assert_eq!(judge(&ran, &hourly, BOOT, at("2026-05-01T11:05:00Z")), late);
        assert_eq!(
            next(&ran, &hourly, at("2026-05-01T10:30:00Z")),
            Some(at("2026-05-01T11:00:00Z"))
        );
    }

    #[test]
    fn a_declared_job_that_never_started_is_told_apart() {
        let hourly = own("every = \"1h\"\ngrace = \"5m\"");
        let never = Lateness::NeverRan(at("2026-01-01T01:00:00Z"));
        assert_eq!(judge(&job(None), &hourly, BOOT, at("2026-01-02T00:00:00Z")), never);
        assert_eq!(judge(&job(None), &hourly, BOOT, at("2026-01-01T00:30:00Z")), Lateness::OnTime);
        assert_eq!(
            judge(&job(None), &own(""), BOOT, at("2027-01-01T00:00:00Z")),
            Lateness::Unscheduled
        );
        // Declared after the slot: nobody promised that one.
        let nightly = own("schedule = \"0 2 * * *\"\ntz = \"UTC\"");
        let fresh = Job { declared_at: Some(at("2026-05-01T09:00:00Z")), ..Job::new("j") };
        assert_eq!(judge(&fresh, &nightly, BOOT, at("2026-05-01T10:00:00Z")), Lateness::OnTime);
    }

    #[test]
    fn a_machine_that_slept_is_not_late_until_grace_after_it_woke() {
        let hourly = own("every = \"1h\"\ngrace = \"5m\"");
        let ran = job(Some("2026-05-01T10:00:00Z"));
        let woke = at("2026-05-02T08:00:00Z");
        assert_eq!(judge(&ran, &hourly, woke, at("2026-05-02T08:04:00Z")), Lateness::OnTime);
        assert!(judge(&ran, &hourly, woke, at("2026-05-02T08:05:00Z")).missed().is_some());
    }
}
