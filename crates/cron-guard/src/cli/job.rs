//! Declarations.

use clap::{Args, Subcommand};
use common::duration;
use common::name::Name;

use crate::complete;
use crate::machine::COOLDOWN_MAX;
use crate::schedule::{self, Schedule, ScheduleError};
use crate::settings::{Budget, CodeList, Count, Mode, PolicyWord, Tier};

/// What stands under the help of `job`.
pub(super) const AFTER_HELP: &str = "\
Environment: CRON_GUARD_CONFIG, AGENT_STATE_DB.

Examples:
  cron-guard job add nightly --schedule '0 2 * * *' --tz Europe/Berlin
  cron-guard job list";

/// `job`.
#[derive(Debug, Subcommand)]
pub(crate) enum JobVerb {
    /// Declare a job
    Add(JobArgs),
    /// Change the declaration of a job
    Edit(JobArgs),
    /// Remove the declaration of a job
    Remove(JobNameArgs),
    /// List the declared jobs
    List(JobListArgs),
}

/// `job add` and `job edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Only what is given is written; the rest of guard.toml stays as it is, comments included. Who did it, why, and
whether a blocked job runs now goes on record. Without a terminal a change of what blocks a job that is
blocked needs --reason.

Exit codes: 0 done, 1 it is declared already (add) or not at all (edit), 3 guard.toml cannot be read.

Environment: CRON_GUARD_CONFIG, AGENT_STATE_DB.

Examples:
  cron-guard job add nightly --schedule '0 2 * * *' --tz Europe/Berlin --grace 15m
  cron-guard job edit nightly --tier high --label provider:x --budget usd=5/24h")]
pub(crate) struct JobArgs {
    /// The job
    #[arg(value_name = "JOB", add = complete::jobs())]
    pub(crate) job: Name,
    /// It starts this long after its last start
    #[arg(long, value_name = "DURATION", value_parser = span, conflicts_with = "schedule")]
    pub(crate) every: Option<String>,
    /// It starts by this crontab schedule
    #[arg(long, value_name = "FIELDS", value_parser = fields)]
    pub(crate) schedule: Option<String>,
    /// The zone of the schedule [default: the machine's]
    #[arg(long, value_name = "ZONE", value_parser = zone, conflicts_with = "every")]
    pub(crate) tz: Option<String>,
    /// How late a start may be [default: 15m]
    #[arg(long, value_name = "DURATION", value_parser = length)]
    pub(crate) grace: Option<String>,
    /// Who looks after it
    #[arg(long, value_name = "TEXT")]
    pub(crate) owner: Option<String>,
    /// What it depends on (can be repeated)
    #[arg(long = "label", value_name = "LABEL")]
    pub(crate) labels: Vec<Name>,
    /// What a wrong decision about it costs
    #[arg(long)]
    pub(crate) tier: Option<Tier>,
    /// Failures in a row that block it
    #[arg(long, value_name = "N")]
    pub(crate) threshold: Option<Count>,
    /// Successes in a row that open it again
    #[arg(long, value_name = "N")]
    pub(crate) recover: Option<Count>,
    /// The wait before the first probe, at most 24h; it doubles with each trip up to there
    #[arg(long, value_name = "DURATION", value_parser = cooldown)]
    pub(crate) cooldown: Option<String>,
    /// Who may open it again
    #[arg(long)]
    pub(crate) policy: Option<PolicyWord>,
    /// Whether it is blocked or only watched
    #[arg(long)]
    pub(crate) mode: Option<Mode>,
    /// How long a run may take before it counts as a failure
    #[arg(long, value_name = "DURATION", value_parser = span)]
    pub(crate) max_runtime: Option<String>,
    /// Exit codes that block it at once
    #[arg(long, value_name = "CODES")]
    pub(crate) trip_now: Option<CodeList>,
    /// Exit codes that count as nothing, as 75 or 0-3,75
    #[arg(long, value_name = "CODES")]
    pub(crate) neutral: Option<CodeList>,
    /// A cap over a rolling window, as usd=5/24h (can be repeated)
    #[arg(long = "budget", value_name = "UNIT=N/WINDOW")]
    pub(crate) budgets: Vec<Budget>,
    /// Why; goes on record with who it was
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// `job list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 done, 3 guard.toml cannot be read.

Environment: CRON_GUARD_CONFIG.

Examples:
  cron-guard job list
  cron-guard job list --json")]
pub(crate) struct JobListArgs {}

/// `job remove`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 done, 1 it is not declared.

Environment: CRON_GUARD_CONFIG, AGENT_STATE_DB.

Examples:
  cron-guard job remove nightly
  cron-guard job remove nightly --config ./guard.toml")]
pub(crate) struct JobNameArgs {
    /// The job
    #[arg(value_name = "JOB", add = complete::jobs())]
    pub(crate) job: Name,
    /// Why; goes on record with who it was
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Checks a duration and keeps it as it was written, which is how it goes into guard.toml.
fn length(text: &str) -> Result<String, duration::DurationError> {
    duration::parse(text).map(|_| text.trim().to_owned())
}

/// The same for a wait that is not longer than the longest one.
fn cooldown(text: &str) -> Result<String, String> {
    let wait = duration::parse(text).map_err(|error| error.to_string())?;
    if wait > COOLDOWN_MAX {
        return Err(format!("a probe waits {} at most", duration::human(COOLDOWN_MAX)));
    }
    Ok(text.trim().to_owned())
}

/// The same for a duration that must not be empty.
fn span(text: &str) -> Result<String, String> {
    super::positive(text).map(|_| text.trim().to_owned())
}

/// Checks a schedule and keeps it as it was written.
fn fields(text: &str) -> Result<String, ScheduleError> {
    Schedule::parse(text).map(|_| text.trim().to_owned())
}

/// Checks the name of a zone.
fn zone(text: &str) -> Result<String, ScheduleError> {
    schedule::zone(text).map(|_| text.to_owned())
}
