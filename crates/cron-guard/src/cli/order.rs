//! What a person decides about a job.

use clap::Args;
use common::name::Name;

use crate::complete;

/// `resume`.
#[derive(Debug, Args)]
#[command(after_help = "\
What ran before never counts again. The job is on probation: one failure blocks it again; --fresh gives it
the full number of failures. Without a terminal this needs --reason and allow_unattended_resume = true in
guard.toml. Resuming a job that is not blocked changes nothing.

Exit codes: 0 done, 1 no such job, 3 refused.

Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard resume nightly --reason 'the disk was full'
  cron-guard resume nightly --fresh --reason 'rewritten'")]
pub(crate) struct ResumeArgs {
    /// The job
    #[arg(value_name = "JOB", add = complete::jobs())]
    pub(crate) job: Name,
    /// Why; asked for at a terminal
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Give the full number of failures instead of a probation
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// `hold` and `release`.
#[derive(Debug, Args)]
#[command(after_help = "\
A held job is never probed, and a success does not end a hold. Who did it and why is recorded. What a person
at a terminal holds is released at a terminal, or with allow_unattended_resume = true in guard.toml.

Exit codes: 0 done, 1 there was nothing to release, 3 refused.

Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard hold --label provider:x --reason 'their outage'
  cron-guard release --label provider:x --reason 'it is over'")]
pub(crate) struct HoldArgs {
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

/// What a hold concerns.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ScopeArgs {
    /// The job
    #[arg(value_name = "JOB", add = complete::jobs())]
    pub(crate) job: Option<Name>,
    /// All jobs that guard.toml gives this label
    #[arg(long, value_name = "LABEL")]
    pub(crate) label: Option<Name>,
    /// All jobs
    #[arg(long)]
    pub(crate) all: bool,
}

/// `ack`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 done, 1 no such job or not blocked.

Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard ack nightly
  cron-guard ack nightly --db /srv/fleet/state.db")]
pub(crate) struct AckArgs {
    /// The job
    #[arg(value_name = "JOB", add = complete::jobs())]
    pub(crate) job: Name,
}
