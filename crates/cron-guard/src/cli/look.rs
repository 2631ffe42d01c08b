//! Looking at the fleet.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use common::duration;
use common::name::Name;

use crate::complete;

/// The sweep.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// Where the pause instructions go; - prints them instead of the summary [default: ~/.local/state/cron-guard/blocked.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print nothing; the exit code and the file say it all
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG, NO_COLOR.

Examples:
  cron-guard status
  cron-guard status nightly --json")]
pub(crate) struct StatusArgs {
    /// Only this job
    #[arg(value_name = "JOB", add = complete::jobs())]
    pub(crate) job: Option<Name>,
    /// One line and the exit code of a Nagios plug-in: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    #[arg(long, conflicts_with_all = ["json", "prom"])]
    pub(crate) nagios: bool,
    /// Write metrics for Prometheus' text file collector; - for stdout
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(crate) prom: Option<PathBuf>,
}

/// `history`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 done, 1 no such job.

Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard history nightly
  cron-guard history nightly --limit 5 --json")]
pub(crate) struct HistoryArgs {
    /// The job
    #[arg(value_name = "JOB", add = complete::jobs())]
    pub(crate) job: Name,
    /// How many lines at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// `report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard report
  cron-guard report --since 30d --html report.html")]
pub(crate) struct ReportArgs {
    /// How far back
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration::parse)]
    pub(crate) since: Duration,
    /// Write one self-contained page instead; - for stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}
