//! What a run of the journal means for the breaker: success, failure, or nothing.

use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::liveness::Interruption;
use common::fleet::runs::{Run, Status, Verdict};

/// The reason under which a run is recorded whose time ran out.
pub(crate) const TIMED_OUT: &str = "timed out";
/// The reason of a run that went on past its maximum runtime.
pub(crate) const OVERDUE: &str = "past its maximum runtime";
/// The reason of a run that took longer by the wall clock only.
pub(crate) const SLEPT: &str = "the machine slept meanwhile";

/// What counts for a job beyond the general rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Codes {
    /// Exit codes that open the breaker at once and leave it to a person.
    pub(crate) trip_now: Vec<u8>,
    /// Exit codes that are neither success nor failure.
    pub(crate) neutral: Vec<u8>,
    /// How long a run may take; what took longer has failed, whatever its code.
    pub(crate) max_runtime: Option<Duration>,
}

/// The columns of a run that say how it ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) status: Status,
    pub(crate) reason: Option<&'a str>,
    pub(crate) exit_code: Option<i64>,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) started_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
}

impl<'a> From<&'a Run> for Columns<'a> {
    fn from(run: &'a Run) -> Self {
        Self {
            status: run.status,
            reason: run.reason.as_deref(),
            exit_code: run.exit_code,
            verdict: run.verdict,
            started_at: run.started_at,
            finished_at: run.finished_at,
        }
    }
}

impl Columns<'_> {
    /// Whether it took longer than it may, be it that its guard said so or that nobody looked in time.
    fn is_overdue(&self, limit: Option<Duration>) -> bool {
        let took = self.finished_at.map(|end| end.since(self.started_at));
        let is_long = limit.zip(took).is_some_and(|(limit, took)| took > limit);
        self.reason == Some(OVERDUE) || is_long && self.reason != Some(SLEPT)
    }
}

/// What an outcome means for the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It counts as a success.
    Success,
    /// It counts as a failure.
    Failure,
    /// It counts as a failure and opens the breaker at once; the exit code.
    TripNow(u8),
    /// It counts as nothing.
    Neutral,
}

/// How an outcome is shown: one letter in the database, one mark for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Success,
    Failure,
    Bad,
    TimedOut,
    Vanished,
    Neutral,
}

impl Mark {
    pub(crate) const ALL: [Self; 6] =
        [Self::Success, Self::Failure, Self::Bad, Self::TimedOut, Self::Vanished, Self::Neutral];

    /// Its letter in the database.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Success => 'o',
            Self::Failure => 'x',
            Self::Bad => 'b',
            Self::TimedOut => 't',
            Self::Vanished => 'v',
            Self::Neutral => 'n',
        }
    }

    /// The mark of a letter.
    pub(crate) fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|mark| mark.letter() == letter)
    }

    /// The word for it, for people and in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Bad => "bad verdict",
            Self::TimedOut => "timed out",
            Self::Vanished => "vanished",
            Self::Neutral => "interrupted",
        }
    }

    /// Whether it is a failure; `None` for what counts as nothing.
    pub(crate) fn is_failure(self) -> Option<bool> {
        match self {
            Self::Success => Some(false),
            Self::Failure | Self::Bad | Self::TimedOut | Self::Vanished => Some(true),
            Self::Neutral => None,
        }
    }
}

/// A run that ended, as the breaker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) run: String,
    pub(crate) kind: Kind,
    pub(crate) mark: Mark,
    pub(crate) started_at: Timestamp,
    pub(crate) at: Timestamp,
}

impl Outcome {
    /// What `run`, which has ended, means. `None` while it runs.
    pub(crate) fn of(run: &Run, codes: &Codes) -> Option<Self> {
        let (kind, mark) = classify(&Columns::from(run), codes)?;
        let at = run.finished_at.unwrap_or(run.started_at);
        Some(Self { run: run.run_id.to_string(), kind, mark, started_at: run.started_at, at })
    }

    /// A run that still goes on after its maximum runtime, or after the deadline of its probe.
    pub(crate) fn overdue(run: &str, started_at: Timestamp, at: Timestamp) -> Self {
        Self { run: run.to_owned(), kind: Kind::Failure, mark: Mark::TimedOut, started_at, at }
    }
}

/// What the columns of a run mean; `None` while it runs.
pub(crate) fn classify(run: &Columns<'_>, codes: &Codes) -> Option<(Kind, Mark)> {
    let Columns { status, reason, exit_code, verdict, .. } = *run;
    let code = exit_code.and_then(|code| u8::try_from(code).ok());
    Some(match status {
        Status::Running => return None,
        // Nobody else will report a run that vanished, so it counts; a reboot, a shutdown or a person does not.
        Status::Interrupted => match reason {
            Some(reason)
                if reason == Interruption::ProcessGone.as_str()
                    || reason == Interruption::LeaseExpired.as_str() =>
            {
                (Kind::Failure, Mark::Vanished)
            }
            _ => (Kind::Neutral, Mark::Neutral),
        },
        Status::Failed if reason == Some(TIMED_OUT) => (Kind::Failure, Mark::TimedOut),
        Status::Completed | Status::Failed => match code {
            Some(code) if code != 0 && codes.trip_now.contains(&code) => {
                (Kind::TripNow(code), Mark::Failure)
            }
            _ if run.is_overdue(codes.max_runtime) => (Kind::Failure, Mark::TimedOut),
            Some(code) if codes.neutral.contains(&code) => (Kind::Neutral, Mark::Neutral),
            _ if verdict == Some(Verdict::Bad) => (Kind::Failure, Mark::Bad),
            _ if status == Status::Failed => (Kind::Failure, Mark::Failure),
            _ => (Kind::Success, Mark::Success),
        },
    })
}
