//! The command line: types only, and the help that stands on them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use common::cli::OutputArgs;
use common::duration;
use common::fleet::DatabaseArgs;
use common::name::Name;

use crate::settings::{Budget, CodeList, Count, Mode, PolicyWord, Tier};

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

/// The two verbs of every tick alone.
///
/// The whole command line takes a third of a gate's time to build; this is tried first, and what it
/// does not understand goes to the whole one, whose messages and help are meant for people.
#[derive(Debug, Parser)]
#[command(name = "cron-guard", disable_help_flag = true)]
struct Tick {
    #[command(subcommand)]
    verb: TickVerb,
    #[arg(long, global = true, env = "CRON_GUARD_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum TickVerb {
    Check(CheckArgs),
    Exec(ExecArgs),
}

impl Cli {
    /// Reads the command line.
    pub(crate) fn read(args: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let args: Vec<OsString> = args.collect();
        let is_tick = args.get(1).is_some_and(|verb| verb == "check" || verb == "exec");
        if is_tick && let Ok(tick) = Tick::try_parse_from(&args) {
            let verb = match tick.verb {
                TickVerb::Check(args) => Verb::Check(args),
                TickVerb::Exec(args) => Verb::Exec(args),
            };
            return Ok(Self {
                verb: Some(verb),
                sweep: SweepArgs { output: None, quiet: false },
                config: tick.config,
                database: tick.database,
                output: tick.output,
            });
        }
        Self::try_parse_from(args)
    }
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
    /// Show the runs and the transitions of a job
    History(HistoryArgs),
    /// Show what should have happened in a window against what did
    Report(ReportArgs),
    /// Pause a job, all jobs with a label, or all jobs, until they are released
    Hold(HoldArgs),
    /// End a hold
    Release(HoldArgs),
    /// Open a blocked job again
    Resume(ResumeArgs),
    /// Say that a block is known: no more reminders of it
    Ack(AckArgs),
    /// Declare jobs in guard.toml, keeping its comments
    #[command(subcommand)]
    Job(JobVerb),
    /// Wrap the lines of your crontab, and undo it exactly
    Crontab(CrontabArgs),
    /// Prove a channel, list alerts, send again what failed
    #[command(subcommand)]
    Alert(AlertVerb),
    /// Check the settings, the journal, the channels and the crontab
    Doctor(DoctorArgs),
    /// Print a completion script
    Completions(CompletionsArgs),
}

/// The sweep.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// Where the pause instructions go [default: ~/.local/state/cron-guard/blocked.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print nothing; the exit code and the file say it all
    #[arg(long, short)]
    pub(crate) quiet: bool,
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
    /// One line and the exit code of a Nagios plug-in: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    #[arg(long, conflicts_with_all = ["json", "prom"])]
    pub(crate) nagios: bool,
    /// Write metrics for Prometheus' text file collector
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
    #[arg(value_name = "JOB")]
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
    /// Write one self-contained page instead
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// `hold` and `release`.
#[derive(Debug, Args)]
#[command(after_help = "\
A held job is never probed, and a success does not end a hold. Who did it and why is recorded.

Exit codes: 0 done, 1 there was nothing to release.

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
    #[arg(value_name = "JOB")]
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
    #[arg(value_name = "JOB")]
    pub(crate) job: Name,
}

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
    List,
}

/// `job add` and `job edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Only what is given is written; the rest of guard.toml stays as it is, comments included.

Exit codes: 0 done, 1 it is declared already (add) or not at all (edit), 3 guard.toml cannot be read.

Environment: CRON_GUARD_CONFIG, AGENT_STATE_DB.

Examples:
  cron-guard job add nightly --schedule '0 2 * * *' --tz Europe/Berlin --grace 15m
  cron-guard job edit nightly --tier high --label provider:x --budget usd=5/24h")]
pub(crate) struct JobArgs {
    /// The job
    #[arg(value_name = "JOB")]
    pub(crate) job: Name,
    /// It starts this long after its last start
    #[arg(long, value_name = "DURATION", value_parser = length, conflicts_with = "schedule")]
    pub(crate) every: Option<String>,
    /// It starts by this crontab schedule
    #[arg(long, value_name = "FIELDS")]
    pub(crate) schedule: Option<String>,
    /// The zone of the schedule [default: the machine's]
    #[arg(long, value_name = "ZONE", requires = "schedule")]
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
    /// The wait before the first probe
    #[arg(long, value_name = "DURATION", value_parser = length)]
    pub(crate) cooldown: Option<String>,
    /// Who may open it again
    #[arg(long)]
    pub(crate) policy: Option<PolicyWord>,
    /// Whether it is blocked or only watched
    #[arg(long)]
    pub(crate) mode: Option<Mode>,
    /// How long a run may take before it counts as a failure
    #[arg(long, value_name = "DURATION", value_parser = length)]
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
}

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
    #[arg(value_name = "JOB")]
    pub(crate) job: Name,
}

/// `crontab`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each job line gets `cron-guard exec NAME --` in front of its command and keeps its meaning; the job and its
schedule are declared in guard.toml. A line that cannot be read stays as it is and is named. A copy of the
crontab is kept, and --uninstall puts every line back byte for byte.

Exit codes: 0 done, 3 crontab(1) refused.

Environment: CRON_GUARD_CONFIG.

Examples:
  cron-guard crontab --print
  cron-guard crontab --install --dry-run")]
pub(crate) struct CrontabArgs {
    #[command(flatten)]
    pub(crate) act: CrontabActs,
    /// Print what would change and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read this file instead of the user's crontab, and write it back there
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// What to do with the crontab.
#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
pub(crate) struct CrontabActs {
    /// Print the wrapped crontab (the default)
    #[arg(long)]
    pub(crate) print: bool,
    /// Wrap the crontab
    #[arg(long)]
    pub(crate) install: bool,
    /// Undo it
    #[arg(long)]
    pub(crate) uninstall: bool,
}

/// `alert`.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertVerb {
    /// Send a test message on every channel, or on one
    Test(AlertTestArgs),
    /// List the last alerts and how they fared
    List(AlertListArgs),
    /// Send again what failed, now
    Retry,
}

/// `alert test`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 every channel took it, 1 one did not.

Environment: CRON_GUARD_CONFIG, AGENT_STATE_DB.

Examples:
  cron-guard alert test
  cron-guard alert test --channel mail")]
pub(crate) struct AlertTestArgs {
    /// Only this channel: command, webhook, mail, file or desktop
    #[arg(long, value_name = "NAME", value_parser = ["command", "webhook", "mail", "file", "desktop"])]
    pub(crate) channel: Option<String>,
}

/// `alert list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: AGENT_STATE_DB.

Examples:
  cron-guard alert list
  cron-guard alert list --limit 5 --json")]
pub(crate) struct AlertListArgs {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
One line a finding. Exit codes: 0 all is well, 1 findings.

Environment: AGENT_STATE_DB, CRON_GUARD_CONFIG.

Examples:
  cron-guard doctor
  cron-guard doctor --json")]
pub(crate) struct DoctorArgs {}

/// `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Environment: none.

Examples:
  cron-guard completions bash > ~/.local/share/bash-completion/completions/cron-guard
  cron-guard completions fish > ~/.config/fish/completions/cron-guard.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
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

/// Checks a duration and keeps it as it was written, which is how it goes into guard.toml.
fn length(text: &str) -> Result<String, duration::DurationError> {
    duration::parse(text).map(|_| text.trim().to_owned())
}
