//! When a job should run: five-field cron expressions in a zone, computed there and compared in UTC.

use chrono::{DateTime, Local, Utc};
use common::clock::Timestamp;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Direction};

use crate::zone::Zone;

/// Why a schedule or a zone is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScheduleError {
    #[error("`{0}` is not a schedule: {1}")]
    Form(String, String),
    #[error("`{0}` is never due")]
    Never(String),
    #[error("`{0}` is not a time zone; write it as Europe/Berlin")]
    Zone(String),
}

/// The zone in which a schedule is meant: the machine's when none is named.
pub(crate) fn zone(name: &str) -> Result<Zone, ScheduleError> {
    Zone::named(name).ok_or_else(|| ScheduleError::Zone(name.to_owned()))
}

/// The parser's words without the names of its own parts.
fn plain(error: &str) -> String {
    let error =
        error.trim_start_matches("Component error: ").trim_start_matches("Invalid pattern: ");
    error.trim_end_matches('.').to_lowercase()
}

/// The moments from the year 1 to 9999, in milliseconds. Beyond them a local time need not exist, and nothing is due.
const CALENDAR: std::ops::Range<i64> = -62_135_510_400_000..253_402_214_400_000;

/// A schedule as in a crontab: five fields, or `@daily` and its kin.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    cron: Cron,
    zone: Option<Zone>,
}

impl Schedule {
    /// Reads a schedule in the machine's zone. One that is never due is refused.
    pub(crate) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fail = |why: &str| ScheduleError::Form(text.to_owned(), why.to_owned());
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(fail("it is empty"));
        }
        let fields = match trimmed {
            "@annually" => "@yearly",
            "@midnight" => "@daily",
            other => other,
        };
        let n_fields = fields.split_whitespace().count();
        if !fields.starts_with('@') && n_fields != 5 {
            return Err(fail(&format!("it has {n_fields} of the five fields")));
        }
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(fields)
            .map_err(|error| fail(&plain(&error.to_string())))?;
        let schedule = Self { cron, zone: None };
        // A date such as 30 February parses, and the job would never be called late.
        match schedule.next(Timestamp(0)) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never(text.to_owned())),
        }
    }

    /// The same schedule in another zone.
    #[must_use]
    pub(crate) fn in_zone(mut self, zone: Option<Zone>) -> Self {
        self.zone = zone;
        self
    }

    /// The first moment after `moment` at which it is due.
    pub(crate) fn next(&self, moment: Timestamp) -> Option<Timestamp> {
        self.find(moment, Direction::Forward, false)
    }

    /// The last moment up to `moment` at which it was due.
    pub(crate) fn previous(&self, moment: Timestamp) -> Option<Timestamp> {
        self.find(moment, Direction::Backward, true)
    }

    fn find(&self, moment: Timestamp, way: Direction, inclusive: bool) -> Option<Timestamp> {
        if !CALENDAR.contains(&moment.0) {
            return None;
        }
        let utc = moment.to_utc();
        match &self.zone {
            Some(zone) => self.find_in(&utc.with_timezone(zone), way, inclusive),
            None => self.find_in(&utc.with_timezone(&Local), way, inclusive),
        }
    }

    fn find_in<Z: chrono::TimeZone>(
        &self,
        moment: &DateTime<Z>,
        way: Direction,
        inclusive: bool,
    ) -> Option<Timestamp>
    where
        DateTime<Z>: croner::CronDateTime,
    {
        let found = match way {
            Direction::Forward => self.cron.find_next_occurrence(moment, inclusive),
            Direction::Backward => self.cron.find_previous_occurrence(moment, inclusive),
        };
        found.ok().map(|found| Timestamp(found.with_timezone(&Utc).timestamp_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<DateTime<Utc>>().unwrap().timestamp_millis())
    }

    fn in_berlin(text: &str) -> Schedule {
        Schedule::parse(text).unwrap().in_zone(Some(zone("Europe/Berlin").unwrap()))
    }

    #[test]
    fn a_schedule_is_computed_in_its_zone_and_compared_in_utc() {
        let weekly = in_berlin("0 2 * * 1");
        assert_eq!(weekly.next(at("2026-11-20T00:00:00Z")), Some(at("2026-11-23T01:00:00Z")));
        assert_eq!(weekly.previous(at("2026-07-08T00:00:00Z")), Some(at("2026-07-06T00:00:00Z")));
    }

    #[test]
    fn on_the_two_days_when_clocks_change_a_fixed_time_is_due_once() {
        let nightly = in_berlin("30 2 * * *");
        for (from, until) in [
            // 02:30 does not exist on 29 March, and comes twice on 25 October.
            ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"),
            ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"),
        ] {
            let mut n_due = 0;
            let mut moment = at(from);
            while let Some(due) = nightly.next(moment).filter(|due| *due < at(until)) {
                n_due += 1;
                moment = due;
            }
            assert_eq!(n_due, 1, "between {from} and {until}");
        }
    }

    #[test]
    fn beyond_the_calendar_nothing_is_due_and_nothing_breaks() {
        let hourly = in_berlin("0 * * * *");
        for millis in [i64::MIN, CALENDAR.start - 1, CALENDAR.end, 0x0d00_0000_0000_0000, i64::MAX]
        {
            assert_eq!(hourly.next(Timestamp(millis)), None, "{millis}");
            assert_eq!(hourly.previous(Timestamp(millis)), None, "{millis}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_a_reason() {
        for text in
            ["", "* * * *", "61 * * * *", "0 2 30 2 *", "every day", "* * * * * *", "@reboot"]
        {
            assert!(Schedule::parse(text).is_err(), "{text:?}");
        }
        for text in ["@daily", "*/5 9-17 * * mon-fri", "0 0 1,15 jan *", "0 4 * * 7", "@midnight"] {
            assert!(Schedule::parse(text).is_ok(), "{text:?}");
        }
        assert!(zone("Europe/Berlin").is_ok() && zone("Berlin").is_err());
    }
}
