//! The command line: types only, and the help that stands on them.

mod gate;
mod job;
mod look;
mod order;
mod upkeep;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use common::cli::{OutputArgs, path_or};
use common::duration;
use common::fleet::DatabaseArgs;

use crate::TOOL;

pub(crate) use gate::{CheckArgs, ExecArgs};
pub(crate) use job::{JobArgs, JobVerb};
pub(crate) use look::{HistoryArgs, ReportArgs, StatusArgs, SweepArgs};
pub(crate) use order::{AckArgs, HoldArgs, ResumeArgs, ScopeArgs};
pub(crate) use upkeep::{
    AlertListArgs, AlertTestArgs, AlertVerb, CompletionsArgs, CrontabArgs, DoctorArgs,
};

/// Stop a broken cron job after three failures in a row, say so once, wait for a person
///
/// Without a command: evaluate every job, send what is due, print a summary, and write the pause
/// instructions for programs. Meant for one cron line of its own.
#[derive(Debug, Parser)]
#[command(name = TOOL, version, args_conflicts_with_subcommands = false, after_help = AFTER_HELP)]
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
        hide_env_values = true,
        value_parser = path_or("CRON_GUARD_CONFIG")
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
#[command(name = TOOL, disable_help_flag = true)]
struct Tick {
    #[command(subcommand)]
    verb: TickVerb,
    #[arg(long, global = true, env = "CRON_GUARD_CONFIG", value_parser = path_or("CRON_GUARD_CONFIG"))]
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
        Self::try_parse_from(&args).or_else(|error| {
            let Some((job, rest)) = name_behind_dashes(&args) else { return Err(error) };
            let mut cli = Self::try_parse_from(rest)?;
            if let (Some(Verb::Exec(exec)), Ok(job)) = (&mut cli.verb, job.parse()) {
                exec.job = job;
                return Ok(cli);
            }
            Err(error)
        })
    }
}

/// `exec -- -job -- CMD`: a name that begins with a dash, and the arguments with another name in its place.
///
/// The parser knows one `--` only, the one before the command.
fn name_behind_dashes(args: &[OsString]) -> Option<(&str, Vec<OsString>)> {
    let first = args.iter().position(|arg| arg == "--")?;
    let job = args.get(first + 1)?.to_str()?;
    let rest = args.get(first + 2..)?;
    if args.get(1)? != "exec" || rest.first()? != "--" {
        return None;
    }
    let before = args.get(..first)?;
    Some((job, before.iter().cloned().chain(["job".into()]).chain(rest.iter().cloned()).collect()))
}

const AFTER_HELP: &str = "\
Exit codes:
  0   go; done; all is healthy      1   no; not all is healthy
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
    #[command(subcommand, after_help = job::AFTER_HELP)]
    Job(JobVerb),
    /// Wrap the lines of your crontab, and undo it exactly
    Crontab(CrontabArgs),
    /// Prove a channel, list alerts, send again what failed
    #[command(subcommand, after_help = upkeep::ALERT_AFTER_HELP)]
    Alert(AlertVerb),
    /// Check the settings, the journal, the channels and the crontab
    Doctor(DoctorArgs),
    /// Print a completion script
    Completions(CompletionsArgs),
}

/// A duration that is not empty.
fn positive(text: &str) -> Result<Duration, String> {
    let length = duration::parse(text).map_err(|error| error.to_string())?;
    if length.is_zero() { Err("must be more than zero".to_owned()) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
