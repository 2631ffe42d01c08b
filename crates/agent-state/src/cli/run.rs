//! `agent-state run …`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use common::duration;
use common::fleet::runs::{Status, Verdict};
use common::name::Name;

use super::lock::ttl;
use crate::complete;
use crate::slot::Slot;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Open a run
    Start(Start),
    /// Note that a run is alive, and renew its lease
    Heartbeat(Heartbeat),
    /// End a run, once
    Finish(Finish),
    /// List runs, newest first
    List(List),
    /// Show one run
    Show(Show),
    /// Record running rows whose process is gone as interrupted
    #[command(after_help = "\
Every command that writes runs does this on its way; reading commands show it without recording it.

Examples:
  agent-state run reap
  agent-state run reap --json")]
    Reap,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 1 when the agent is unknown, or when the slot had its run already.

Examples:
  agent-state run start reviewer --id-only
  eval \"$(agent-state run start reviewer --job k6-weekly --export)\"")]
pub(crate) struct Start {
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// The job that runs
    #[arg(long, add = complete::jobs())]
    pub(crate) job: Option<Name>,
    /// The scheduled slot, of which a job has one run at most; `auto` is the current minute
    #[arg(long)]
    pub(crate) slot: Option<Slot>,
    /// How long the run counts as running without a heartbeat
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = ttl)]
    pub(crate) lease: Duration,
    /// Where the run's output will be
    #[arg(long, value_name = "PATH")]
    pub(crate) output_path: Option<String>,
    /// Print `export` lines for sh; with --json the run
    #[arg(long, conflicts_with = "id_only")]
    pub(crate) export: bool,
    /// Print the id alone; with --json the run
    #[arg(long)]
    pub(crate) id_only: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What is said of the progress is recorded as an event; a sign of life alone is not.

Exit codes: 1 when the run is unknown or has ended; then stop working.

Examples:
  run=$(agent-state run start reviewer --id-only); agent-state run heartbeat \"$run\"
  run=$(agent-state run start reviewer --id-only); agent-state run heartbeat \"$run\" --progress 'half done'")]
pub(crate) struct Heartbeat {
    /// The run's id
    #[arg(env = "AGENT_STATE_RUN_ID", hide_env_values = true)]
    pub(crate) run: Name,
    /// What to say about its progress
    #[arg(long, value_name = "TEXT")]
    pub(crate) progress: Option<String>,
}

/// How a run can end.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Ending {
    Completed,
    Failed,
    Interrupted,
}

impl From<Ending> for Status {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Completed => Self::Completed,
            Ending::Failed => Self::Failed,
            Ending::Interrupted => Self::Interrupted,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --status an exit code other than 0, or the verdict bad, means failed.

Exit codes: 1 when the run is unknown or has ended already; nothing is changed then.

Examples:
  run=$(agent-state run start reviewer --id-only); agent-state run finish \"$run\" --exit-code 3
  run=$(agent-state run start reviewer --id-only); agent-state run finish \"$run\" --summary '3 files reviewed'")]
pub(crate) struct Finish {
    /// The run's id
    #[arg(env = "AGENT_STATE_RUN_ID", hide_env_values = true)]
    pub(crate) run: Name,
    /// How it ended
    #[arg(long)]
    pub(crate) status: Option<Ending>,
    /// The exit code of its command
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) exit_code: Option<i32>,
    /// What it did, in a sentence
    #[arg(long, value_name = "TEXT")]
    pub(crate) summary: Option<String>,
    /// Tokens that it used
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) token_usage: Option<i64>,
    /// What it cost, in US dollars
    #[arg(long, value_name = "X", value_parser = cost)]
    pub(crate) cost_usd: Option<f64>,
    /// What the agent says of its result, since agents exit 0 while failing
    #[arg(long)]
    pub(crate) verdict: Option<Verdict>,
}

fn cost(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(cost) if cost.is_finite() && cost >= 0.0 => Ok(cost),
        _ => Err("not an amount of dollars; write it as 0.42".to_owned()),
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  agent-state run list --since 7d --status failed
  agent-state run list --job k6-weekly --limit 5 --json")]
pub(crate) struct List {
    /// Only runs of this agent
    #[arg(long, alias = "agent-id", add = complete::agents())]
    pub(crate) agent: Option<Name>,
    /// Only runs of this job
    #[arg(long, add = complete::jobs())]
    pub(crate) job: Option<Name>,
    /// Only runs that stand so
    #[arg(long)]
    pub(crate) status: Option<Status>,
    /// Only runs started within this time
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) since: Option<Duration>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 1 when there is no such run.

Examples:
  agent-state run show \"$(agent-state run start reviewer --id-only)\"
  agent-state run show \"$(agent-state run start reviewer --id-only)\" --json")]
pub(crate) struct Show {
    /// The run's id
    pub(crate) run: Name,
}
