//! What should have happened in a window against what did, job by job, in equal pieces of time.

use std::collections::BTreeMap;
use std::time::Duration;

use common::clock::Timestamp;
use common::duration;

use crate::guard::fleet::Member;
use crate::late;
use crate::machine::outcome::classify;
use crate::machine::{Kind, Mark};
use crate::settings::JobSettings;
use crate::store::journal::Brief;
use crate::store::skips::Skips;

/// How many pieces a window has.
pub(crate) const PIECES: usize = 84;
/// How many slots of one job are looked at; a job that is due every minute has 10,080 a week.
const SLOTS_MAX: usize = 50_000;

/// What happened in one piece of time; the worst of it is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) ran: u32,
    pub(crate) failed: u32,
    pub(crate) neutral: u32,
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
        let meaning =
            classify(run.status, run.reason.as_deref(), run.exit_code, run.verdict, &own.codes);
        match meaning {
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
        self.note(&skips.job, moment, count, |piece| &mut piece.skipped);
        // A tick that the gate refused did come.
        let hour = Duration::from_secs(3600);
        self.row(&skips.job).starts.extend([skips.hour, skips.hour.plus(hour / 2)]);
    }

    /// Holds the starts against the declared schedules.
    pub(crate) fn expect(&mut self, members: &[Member]) {
        for member in members {
            let name = &member.job.name;
            self.row(name);
            let Some(slots) = self.slots(member) else { continue };
            let until = self.until;
            let mut missed = Vec::new();
            let row = self.row(name);
            row.starts.sort_unstable();
            row.expected = Some(slots.len());
            for (at, slot) in slots.iter().enumerate() {
                let next = slots.get(at + 1).copied();
                let from = slot.minus(Duration::from_secs(1));
                let first = row.starts.partition_point(|start| *start < from);
                let came = row
                    .starts
                    .get(first)
                    .is_some_and(|start| next.is_none_or(|next| *start < next));
                if !came && slot.plus(member.own.grace) <= until {
                    missed.push(*slot);
                }
            }
            for slot in missed {
                self.note(name, slot, 1, |piece| &mut piece.missed);
            }
        }
    }

    /// When the job should have started, from its declaration on.
    fn slots(&self, member: &Member) -> Option<Vec<Timestamp>> {
        let declared = member.job.declared_at.unwrap_or(self.until);
        let from = self.since.max(declared);
        if let Some(schedule) = late::schedule(&member.own) {
            let mut slots = Vec::new();
            let mut moment = from.minus(Duration::from_millis(1));
            while let Some(next) = schedule.next(moment).filter(|next| *next <= self.until) {
                slots.push(next);
                moment = next;
                if slots.len() == SLOTS_MAX {
                    break;
                }
            }
            return Some(slots);
        }
        let every = member.own.every.filter(|every| !every.is_zero())?;
        let n_slots = self.until.since(from).as_millis() / every.as_millis().max(1);
        let n_slots = usize::try_from(n_slots).unwrap_or(SLOTS_MAX).min(SLOTS_MAX);
        let step = duration::millis(every);
        Some(
            (1..=n_slots)
                .map(|n| Timestamp(from.0 + step * i64::try_from(n).unwrap_or(0)))
                .collect(),
        )
    }
}
