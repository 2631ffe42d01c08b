//! What should have happened in a window against what did, job by job, in equal pieces of time.

use std::collections::BTreeMap;
use std::time::Duration;

use common::clock::Timestamp;

use crate::guard::fleet::Member;
use crate::late;
use crate::machine::outcome::{Columns, classify};
use crate::machine::{Kind, Mark};
use crate::schedule::Schedule;
use crate::settings::JobSettings;
use crate::store::journal::Brief;
use crate::store::skips::{self, Skips};

/// How many pieces a window has.
pub(crate) const PIECES: usize = 84;
/// How long the ticks that did not run are counted together.
const BUCKET: Duration = Duration::from_secs(3600);
/// How many slots of one job are looked at; a job that is due every minute has 10,080 a week.
const SLOTS_MAX: usize = 50_000;

/// What happened in one piece of time; the worst of it is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) ran: u32,
    pub(crate) failed: u32,
    pub(crate) neutral: u32,
    /// Ticks that the breaker, a person or a budget kept from running.
    pub(crate) blocked: u32,
    /// Ticks that gave way to another run.
    pub(crate) skipped: u32,
    pub(crate) missed: u32,
}

/// One job over the window.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) sum: Piece,
    /// How many starts were due; `None` where nothing was declared.
    pub(crate) expected: Option<usize>,
    pub(crate) tokens: i64,
    pub(crate) usd: f64,
    starts: Vec<Timestamp>,
    /// The hours in which ticks were refused, and how many.
    refused: Vec<(Timestamp, u32)>,
}

/// The window with all jobs.
pub(crate) struct Week {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) rows: BTreeMap<String, Row>,
}

impl Week {
    /// An empty window.
    pub(crate) fn new(since: Timestamp, until: Timestamp) -> Self {
        Self { since, until, rows: BTreeMap::new() }
    }

    /// The length of a piece.
    pub(crate) fn piece(&self) -> Duration {
        let pieces = u32::try_from(PIECES).unwrap_or(u32::MAX);
        (self.until.since(self.since) / pieces).max(Duration::from_millis(1))
    }

    fn index(&self, moment: Timestamp) -> usize {
        let at = moment.since(self.since).as_millis() / self.piece().as_millis().max(1);
        usize::try_from(at).unwrap_or(usize::MAX).min(PIECES - 1)
    }

    fn row(&mut self, job: &str) -> &mut Row {
        self.rows
            .entry(job.to_owned())
            .or_insert_with(|| Row { pieces: vec![Piece::default(); PIECES], ..Row::default() })
    }

    fn note(&mut self, job: &str, moment: Timestamp, count: u32, part: fn(&mut Piece) -> &mut u32) {
        let index = self.index(moment);
        let row = self.row(job);
        *part(&mut row.sum) += count;
        if let Some(piece) = row.pieces.get_mut(index) {
            *part(piece) += count;
        }
    }

    /// Adds a run.
    pub(crate) fn add_run(&mut self, run: &Brief, own: &JobSettings) {
        let row = self.row(&run.job);
        row.starts.push(run.started_at);
        row.tokens = row.tokens.saturating_add(run.token_usage.unwrap_or(0));
        row.usd += run.cost_usd.unwrap_or(0.0);
        let columns = Columns {
            status: run.status,
            reason: run.reason.as_deref(),
            exit_code: run.exit_code,
            verdict: run.verdict,
            started_at: run.started_at,
            finished_at: run.finished_at,
        };
        match classify(&columns, &own.codes) {
            Some((Kind::Failure | Kind::TripNow(_), _)) => {
                self.note(&run.job, run.started_at, 1, |piece| &mut piece.failed);
            }
            Some((Kind::Neutral, _) | (_, Mark::Neutral)) => {
                self.note(&run.job, run.started_at, 1, |piece| &mut piece.neutral);
            }
            Some((Kind::Success, _)) | None => {
                self.note(&run.job, run.started_at, 1, |piece| &mut piece.ran);
            }
        }
    }

    /// Adds the ticks of an hour that did not run.
    pub(crate) fn add_skips(&mut self, skips: &Skips) {
        let moment = skips.hour.max(self.since);
        let count = u32::try_from(skips.count).unwrap_or(u32::MAX);
        if skips::APART.contains(&skips.kind.as_str()) {
            self.note(&skips.job, moment, count, |piece| &mut piece.skipped);
        } else {
            self.note(&skips.job, moment, count, |piece| &mut piece.blocked);
        }
        self.row(&skips.job).refused.push((skips.hour, count));
    }

    /// Holds the starts against what was declared.
    pub(crate) fn expect(&mut self, members: &[Member]) {
        for member in members {
            let name = &member.job.name;
            let (since, until) = (self.since, self.until);
            let from = since.max(member.job.declared_at.unwrap_or(until));
            let row = self.row(name);
            row.starts.sort_unstable();
            row.refused.sort_unstable();
            // How much later and earlier than its slot a tick may have come.
            let (late, early) = (member.own.grace, member.own.every.unwrap_or_default());
            let missed = if let Some(schedule) = late::schedule(&member.own) {
                let slots = slots(&schedule, from, until);
                row.expected = Some(slots.len());
                missed_slots(&slots, &row.starts, member.own.grace, until)
            } else if let Some(every) = member.own.every.filter(|every| !every.is_zero()) {
                let n_due = until.since(from).as_millis() / every.as_millis().max(1);
                row.expected = Some(usize::try_from(n_due).unwrap_or(SLOTS_MAX));
                missed_intervals(every, member.own.grace, &row.starts, from, until)
            } else {
                continue;
            };
            for slot in not_refused(missed, &row.refused, late, early) {
                self.note(name, slot, 1, |piece| &mut piece.missed);
            }
        }
    }
}

/// When the schedule was due.
fn slots(schedule: &Schedule, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let first = from.minus(Duration::from_millis(1));
    std::iter::successors(schedule.next(first), |slot| schedule.next(*slot))
        .take_while(|slot| *slot <= until)
        .take(SLOTS_MAX)
        .collect()
}

/// The slots up to the next of which nothing started, once their grace time is over.
fn missed_slots(
    slots: &[Timestamp],
    starts: &[Timestamp],
    grace: Duration,
    until: Timestamp,
) -> Vec<Timestamp> {
    let mut missed = Vec::new();
    for (at, slot) in slots.iter().enumerate() {
        let next = slots.get(at + 1);
        let first = starts.partition_point(|start| *start < slot.minus(Duration::from_secs(1)));
        let came = starts.get(first).is_some_and(|start| next.is_none_or(|next| start < next));
        if !came && slot.plus(grace) <= until {
            missed.push(*slot);
        }
    }
    missed
}

/// An interval counts from the start before it: the starts that a gap is too long for.
fn missed_intervals(
    every: Duration,
    grace: Duration,
    starts: &[Timestamp],
    from: Timestamp,
    until: Timestamp,
) -> Vec<Timestamp> {
    let mut missed = Vec::new();
    let mut last = from;
    for next in starts.iter().copied().filter(|start| *start >= from).chain([until]) {
        let mut due = last.plus(every);
        while due.plus(grace) < next && missed.len() < SLOTS_MAX {
            missed.push(due);
            due = due.plus(every);
        }
        last = next;
    }
    missed
}

/// The slots for which no tick came at all: one that the gate refused did come, and of those only their
/// number in each hour is known.
fn not_refused(
    mut missed: Vec<Timestamp>,
    refused: &[(Timestamp, u32)],
    late: Duration,
    early: Duration,
) -> Vec<Timestamp> {
    let mut hours = refused.iter().copied().peekable();
    missed.retain(|slot| {
        while hours.next_if(|(hour, n)| *n == 0 || hour.plus(BUCKET + early) <= *slot).is_some() {}
        match hours.peek_mut() {
            Some((hour, n_left)) if hour.minus(late) <= *slot => {
                *n_left -= 1;
                false
            }
            _ => true,
        }
    });
    missed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_tick_stands_for_one_slot_of_its_hour_and_for_none_to_come() {
        let minutes = |minutes: &[i64]| -> Vec<Timestamp> {
            minutes.iter().map(|minute| Timestamp(minute * 60_000)).collect()
        };
        let missed = minutes(&[58, 61, 62, 63, 200]);
        let refused = [(Timestamp(0), 5), (Timestamp(HOUR), 2), (Timestamp(2 * HOUR), 9)];
        let left = not_refused(missed, &refused, Duration::ZERO, Duration::ZERO);
        assert_eq!(left, minutes(&[63, 200]));
    }

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_gap_holds_as_many_missed_starts_as_fit_and_a_start_within_grace_is_none() {
        let (every, grace) = (Duration::from_secs(3600), Duration::from_secs(600));
        let starts: Vec<Timestamp> =
            [0, HOUR + 60_000, 5 * HOUR].into_iter().map(Timestamp).collect();
        let missed = missed_intervals(every, grace, &starts, Timestamp(0), Timestamp(5 * HOUR + 1));
        let expect = [2 * HOUR + 60_000, 3 * HOUR + 60_000, 4 * HOUR + 60_000];
        assert_eq!(missed, expect.map(Timestamp));
    }

    #[test]
    fn a_slot_is_missed_when_nothing_starts_before_the_next() {
        let slots = [0, HOUR, 2 * HOUR, 3 * HOUR].map(Timestamp);
        let starts = [500, 2 * HOUR + 900].map(Timestamp);
        let missed =
            missed_slots(&slots, &starts, Duration::from_secs(60), Timestamp(3 * HOUR + 1));
        assert_eq!(missed, [Timestamp(HOUR)], "the last one is still within its grace time");
    }
}
