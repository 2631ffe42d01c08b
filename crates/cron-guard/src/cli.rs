//! The command line: types only, and the help that stands on them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use common::cli::OutputArgs;
use common::duration;
use common::fleet::DatabaseArgs;
use common::name::Name;

/// Stop a broken cron job after three failures in a row, say so once, wait for a person
///
/// Without a command: evaluate every job, send what is due, print a summary, and write the pause
/// instructions for programs. Meant for one cron line of its own.
#[derive(Debug, Parser)]
#[command(name = "cron-guard", version, args_conflicts_with_subcommands = false, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    /// The settings [default: ~/.config/cron-guard/guard.toml]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "CRON_GUARD_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

const AFTER_HELP: &str = "\
Exit codes:
  0   go; done; all is healthy      1   no; something is blocked
  2   wrong usage                   3   failed, somebody must fix something
  4   the database is busy          75  the job is blocked
  exec: the command's own code; 124 its time ran out; 125 it was not started; 126, 127 as a shell

Environment:
  AGENT_STATE_DB      the fleet database, as --db
  CRON_GUARD_CONFIG   the settings, as --config
  NO_COLOR            no color

Examples:
  cron-guard exec nightly --timeout 2h -- /usr/local/bin/nightly
  cron-guard resume nightly --reason 'the disk was full'";

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say whether a job may run now: 0 go, 75 blocked
    Check(CheckArgs),
    /// Run a command as a job, unless the job is blocked
    Exec(ExecArgs),
    /// Show every job with its last outcomes, problems first
    Status(StatusArgs),
    /// Open a blocked job again
    Resume(ResumeArgs),
}

/// The sweep.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// Where the pause instructions go [default: ~/.local/state/cron-guard/blocked.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 go, 75 blocked (or --blocked-exit), 3 the journal cannot be read and the job is of tier high.
Silent; --json prints the reason. When a probe is due it says go, and the job's next run must start within 60 s.

Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard check nightly || exit 0
  cron-guard check nightly --json")]
pub(crate) struct CheckArgs {
    /// The job
    #[arg(value_name = "JOB")]
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
    #[arg(value_name = "JOB")]
    pub(crate) job: Name,
    /// End the command after this long
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
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

/// `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG, NO_COLOR.

Examples:
  cron-guard status
  cron-guard status nightly --json")]
pub(crate) struct StatusArgs {
    /// Only this job
    #[arg(value_name = "JOB")]
    pub(crate) job: Option<Name>,
}

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
    #[arg(value_name = "JOB")]
    pub(crate) job: Name,
    /// Why; asked for at a terminal
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Give the full number of failures instead of a probation
    #[arg(long)]
    pub(crate) fresh: bool,
}

fn spacing(text: &str) -> Result<(String, Duration), String> {
    let (group, distance) = text.split_once('=').ok_or("write it as GROUP=30m")?;
    let group: Name = group.parse().map_err(|error| format!("the group: {error}"))?;
    let distance = duration::parse(distance).map_err(|error| error.to_string())?;
    Ok((group.to_string(), distance))
}
