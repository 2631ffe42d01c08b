//! What a run is: its row, how it is opened, how it ends, and how a reader sees it. No SQL.

use std::time::Duration;

use serde::Serialize;

use super::super::agents::AgentId;
use super::super::liveness::{self, Here, Holder, Interruption};
use super::super::{id, remains, words};
use crate::clock::Timestamp;

id! {
    /// The id of a run.
    RunId
}

words! {
    /// Where a run stands.
    Status {
        /// It was started and has not ended.
        Running = "running",
        /// It ended well.
        Completed = "completed",
        /// It ended badly.
        Failed = "failed",
        /// It stopped without a word, or was stopped from outside.
        Interrupted = "interrupted",
    }
}

words! {
    /// What the agent itself says of its result, since agents exit 0 while failing.
    Verdict {
        /// The result is good.
        Ok = "ok",
        /// The result is bad, whatever the exit code says.
        Bad = "bad",
    }
}

/// A row of the journal.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Its id.
    pub run_id: RunId,
    /// The agent that runs, once it is known.
    pub agent_id: Option<AgentId>,
    /// The agent's name.
    pub agent: Option<String>,
    /// The job that runs.
    pub job: Option<String>,
    /// The scheduled slot for which it runs.
    pub slot: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Why it ended, when that is more than its exit code.
    pub reason: Option<String>,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When it last gave a sign of life.
    pub heartbeat_at: Timestamp,
    /// The length of its lease, in milliseconds.
    #[serde(skip)]
    pub lease_ms: i64,
    /// When its lease passes.
    pub lease_until: Timestamp,
    /// What it last said of its progress.
    pub progress: Option<String>,
    /// The exit code of its command.
    pub exit_code: Option<i64>,
    /// The signal that killed its command.
    pub signal: Option<i64>,
    /// What it says it did.
    pub summary: Option<String>,
    /// Tokens that it used.
    pub token_usage: Option<i64>,
    /// What it cost, in US dollars.
    pub cost_usd: Option<f64>,
    /// What the agent says of its result.
    pub verdict: Option<Verdict>,
    /// Where its output is.
    pub output_path: Option<String>,
    /// The end of what it wrote to stderr.
    pub stderr_tail: Option<String>,
    /// The process that it belongs to.
    pub holder: Option<Holder>,
}

/// A run about to be opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRun<'a> {
    /// The agent, when it is known.
    pub agent: Option<&'a AgentId>,
    /// The job.
    pub job: Option<&'a str>,
    /// The scheduled slot; a job has at most one run for each.
    pub slot: Option<&'a str>,
    /// How long it counts as running without a sign of life.
    pub lease: Duration,
    /// The process that it belongs to.
    pub holder: Option<&'a Holder>,
    /// Where its output will be.
    pub output_path: Option<&'a str>,
}

/// What came of opening a run.
#[derive(Debug, Clone)]
pub enum Opened {
    /// It is open.
    New(RunId),
    /// The slot had its run already: this one.
    SlotTaken(Box<Run>),
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Where it stands now; `Running` is not an outcome.
    pub status: Option<Status>,
    /// Why, when that is more than its exit code.
    pub reason: Option<String>,
    /// The exit code of its command.
    pub exit_code: Option<i64>,
    /// The signal that killed its command.
    pub signal: Option<i64>,
    /// What it says it did.
    pub summary: Option<String>,
    /// Tokens that it used.
    pub token_usage: Option<i64>,
    /// What it cost, in US dollars.
    pub cost_usd: Option<f64>,
    /// What the agent says of its result.
    pub verdict: Option<Verdict>,
    /// The end of what it wrote to stderr.
    pub stderr_tail: Option<String>,
}

impl Outcome {
    /// The status that is meant: the given one, else failed for an exit code, a signal or a bad
    /// verdict, else completed.
    pub fn resolved(&self) -> Status {
        self.status.unwrap_or_else(|| {
            let is_bad = self.exit_code.is_some_and(|code| code != 0)
                || self.signal.is_some()
                || self.verdict == Some(Verdict::Bad);
            if is_bad { Status::Failed } else { Status::Completed }
        })
    }
}

/// What came of finishing a run.
#[derive(Debug, Clone)]
pub enum Finished {
    /// It is finished now.
    Done(Status),
    /// It had ended before; nothing was changed.
    Already(Box<Run>),
    /// There is no such run.
    Unknown,
}

impl Run {
    /// Whether its end stands against `status`, which the outer `exec` saw: a verdict or a status that somebody
    /// gave it, other than the code of a command within. That a command failed outweighs all but a bad verdict.
    pub(super) fn was_told(&self, status: Status) -> bool {
        let is_measured =
            (self.exit_code.is_some() || self.signal.is_some() || self.reason.is_some())
                && self.summary.is_none()
                && (self.agent_id.is_some() || self.status == Status::Interrupted);
        match self.status {
            _ if self.verdict == Some(Verdict::Bad) => true,
            Status::Failed | Status::Interrupted => !is_measured && status != Status::Failed,
            Status::Completed | Status::Running => false,
        }
    }

    /// The run as it stands in truth: a running row whose process is gone is interrupted, unless it was a guard's
    /// and what it ran goes on without it.
    ///
    /// For readers, which never write; a writer records the same through `reap`.
    #[must_use]
    pub fn as_seen(mut self, here: &Here, now: Timestamp) -> Self {
        if self.status == Status::Running
            && let Some(why) =
                liveness::interruption(self.holder.as_ref(), self.lease_until, here, now)
            && !(why == Interruption::ProcessGone && remains::are_left_of(self.run_id.as_str()))
        {
            self.status = Status::Interrupted;
            self.reason = Some(why.as_str().to_owned());
        }
        self
    }
}

/// Which runs a list returns.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Of this job.
    pub job: Option<String>,
    /// Started at this moment or later.
    pub since: Option<Timestamp>,
    /// That may stand so: a running row can prove to be interrupted by [`Run::as_seen`].
    pub status: Option<Status>,
}
