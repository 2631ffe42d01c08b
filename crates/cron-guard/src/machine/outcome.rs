//! What a run of the journal means for the breaker: success, failure, or nothing.

use common::clock::Timestamp;
use common::fleet::liveness::Interruption;
use common::fleet::runs::{Run, Status, Verdict};

/// The reason under which a run is recorded whose time ran out.
pub(crate) const TIMED_OUT: &str = "timed out";

/// What counts for a job beyond the general rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Codes {
    /// Exit codes that open the breaker at once and leave it to a person.
    pub(crate) trip_now: Vec<u8>,
    /// Exit codes that are neither success nor failure.
    pub(crate) neutral: Vec<u8>,
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
    pub(crate) at: Timestamp,
}

impl Outcome {
    /// What `run`, which has ended, means. `None` while it runs.
    pub(crate) fn of(run: &Run, codes: &Codes) -> Option<Self> {
        let (kind, mark) =
            classify(run.status, run.reason.as_deref(), run.exit_code, run.verdict, codes)?;
        let at = run.finished_at.unwrap_or(run.started_at);
        Some(Self { run: run.run_id.to_string(), kind, mark, at })
    }

    /// A run that still goes on after its maximum runtime, or after the deadline of its probe.
    pub(crate) fn overdue(run: &str, at: Timestamp) -> Self {
        Self { run: run.to_owned(), kind: Kind::Failure, mark: Mark::TimedOut, at }
    }
}

/// What the columns of a run mean; `None` while it runs.
pub(crate) fn classify(
    status: Status,
    reason: Option<&str>,
    exit_code: Option<i64>,
    verdict: Option<Verdict>,
    codes: &Codes,
) -> Option<(Kind, Mark)> {
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
            Some(code) if codes.neutral.contains(&code) => (Kind::Neutral, Mark::Neutral),
            _ if verdict == Some(Verdict::Bad) => (Kind::Failure, Mark::Bad),
            _ if status == Status::Failed => (Kind::Failure, Mark::Failure),
            _ => (Kind::Success, Mark::Success),
        },
    })
}
