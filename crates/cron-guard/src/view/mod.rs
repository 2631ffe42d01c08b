//! How the fleet looks: rows for people, one line for Nagios, metrics for Prometheus, a page.
//!
//! Pure: members in, text out.

pub(crate) mod nagios;
pub(crate) mod page;
pub(crate) mod prom;
pub(crate) mod week;

use chrono::{DateTime, Local};
use common::clock::Timestamp;

use crate::guard::fleet::Member;
use crate::machine::Mark;

/// What probation means.
pub(crate) const PROBATION: &str = "one failure blocks it again";

/// The sign of an outcome for people.
pub(crate) fn sign(mark: Mark) -> char {
    match mark {
        Mark::Success => '.',
        Mark::Failure => 'x',
        Mark::Bad => 'b',
        Mark::TimedOut => 't',
        Mark::Vanished => 'v',
        Mark::Neutral => '-',
    }
}

/// The last outcomes as signs, newest last.
pub(crate) fn signs(recent: &str, limit: usize) -> String {
    let surplus = recent.len().saturating_sub(limit);
    recent.chars().skip(surplus).map(|letter| Mark::from_letter(letter).map_or('?', sign)).collect()
}

/// A moment as a person reads it in the morning: the time alone when it was today.
pub(crate) fn clock_time(moment: Timestamp, now: Timestamp) -> String {
    let local = |moment: Timestamp| -> DateTime<Local> { moment.to_utc().with_timezone(&Local) };
    let (moment, now) = (local(moment), local(now));
    if moment.date_naive() == now.date_naive() {
        moment.format("%H:%M").to_string()
    } else {
        moment.format("%a %d %b %H:%M").to_string()
    }
}

/// How moments are written for the reader: by the clock for people, in full for files and pipes.
pub(crate) type Moments<'a> = &'a dyn Fn(Timestamp) -> String;

/// What is wrong with a job, with what was skipped because of it.
pub(crate) fn why(member: &Member, now: Timestamp, moment: Moments<'_>) -> String {
    let mut why = member.problem().unwrap_or_default();
    if let Some(missed) = member.lateness.missed().filter(|_| member.is_late()) {
        why = format!("expected {}", moment(missed));
    }
    if member.job.breaker.probation && why.is_empty() {
        why = format!("on probation: {PROBATION}");
    }
    let mut add = |what: String| {
        why = if why.is_empty() { what } else { format!("{why}; {what}") };
    };
    let is_kept_back = member.job.skipped > 0 && member.is_blocked();
    if let (true, Some(since)) = (is_kept_back, member.job.skipped_since) {
        add(format!("blocked {}x since {}", member.job.skipped, moment(since)));
    }
    for (count, kind) in
        [(member.gave_way.overlap, "overlap"), (member.gave_way.spacing, "spacing")]
    {
        if count > 0 {
            add(format!("skipped {count}x in the last 24h ({kind})"));
        }
    }
    if let Some(edit) = &member.unblocked_by {
        let change = edit.reason.as_deref().unwrap_or_default();
        let at = moment(edit.at);
        why = format!("{why}; runs since {at}: {change} (by {})", edit.actor);
    }
    let is_ahead = |probe: &Timestamp| member.is_blocked() && *probe > now;
    if let Some(probe) = member.job.breaker.next_probe_at.filter(is_ahead) {
        why = format!("{why}; next probe {}", moment(probe));
    }
    why
}
