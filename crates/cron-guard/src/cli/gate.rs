//! The two verbs of every tick.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use common::duration;
use common::name::Name;

use super::positive;
use crate::complete;

/// `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 go, 75 blocked (or --blocked-exit); for a job of tier high: 3 the journal cannot be read or
written, 4 it was busy for too long.
Silent; --json prints the reason. When a probe is due it says go, and the job's next run must start within 60 s.

Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard check nightly || exit 0
  cron-guard check nightly --json")]
pub(crate) struct CheckArgs {
    /// The job
    #[arg(value_name = "JOB", add = complete::jobs())]
    pub(crate) job: Name,
    /// The exit code for a blocked job; not 0, or `check JOB && CMD` would run it
    #[arg(long, value_name = "N", default_value_t = 75, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) blocked_exit: u8,
}

/// `exec`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: the command's own; 75 blocked (or --blocked-exit); 124 its time ran out; 125 it could not be
started; 126 not executable; 127 not found. Killed by a signal: the same signal is raised again.
Silent unless the command is not.

Sets for the command: CRON_GUARD_JOB, AGENT_STATE_RUN_ID, AGENT_STATE_JOB; CRON_GUARD_PROBE=1 when this
run decides whether the job is opened again.

Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard exec nightly -- /usr/local/bin/nightly --all
  cron-guard exec nightly --timeout 30m --no-overlap -- sh -c 'backup && prune'")]
pub(crate) struct ExecArgs {
    /// The job
    #[arg(value_name = "JOB", add = complete::jobs())]
    pub(crate) job: Name,
    /// End the command after this long
    #[arg(long, value_name = "DURATION", value_parser = positive)]
    pub(crate) timeout: Option<Duration>,
    /// The time between TERM and KILL
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    pub(crate) grace: Duration,
    /// Skip this start while a run of the job is alive
    #[arg(long)]
    pub(crate) no_overlap: bool,
    /// At least this much time between two starts of any jobs of a group; else skip
    #[arg(long, value_name = "GROUP=DURATION", value_parser = spacing)]
    pub(crate) spacing: Option<(String, Duration)>,
    /// Wait for the group's turn instead of skipping
    #[arg(long, requires = "spacing")]
    pub(crate) wait: bool,
    /// Start later by up to this much, by the job's name: the same delay every day
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) jitter: Option<Duration>,
    /// Hold the output back, on disk, and print it only when the command failed
    #[arg(long)]
    pub(crate) mail_on_failure: bool,
    /// The exit code for a blocked job
    #[arg(long, value_name = "N", default_value_t = 75)]
    pub(crate) blocked_exit: u8,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

fn spacing(text: &str) -> Result<(String, Duration), String> {
    let (group, distance) = text.split_once('=').ok_or("write it as GROUP=30m")?;
    let group: Name = group.parse().map_err(|error| format!("the group: {error}"))?;
    let distance = duration::parse(distance).map_err(|error| error.to_string())?;
    Ok((group.to_string(), distance))
}
