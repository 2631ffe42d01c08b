//! `agent-state action …` and `agent-state once …`.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use common::duration;
use common::name::Name;

use crate::action::{State, Tier};
use crate::complete;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write down the intention, or learn that the deed is done
    Begin(Begin),
    /// Record that the deed is done
    Done(Done),
    /// Record that the deed failed before it had an effect
    Fail(Fail),
    /// Show one action
    Show(Key),
    /// List actions, newest first
    List(List),
    /// Say what became of an unknown action
    Resolve(Resolve),
    /// Allow one attempt of an irreversible action
    Approve(Key),
}

#[derive(Debug, Args)]
pub(crate) struct Deed {
    /// What the deed is called, the same in each retry
    pub(crate) key: Name,
    /// Who acts
    #[arg(long, add = complete::agents())]
    pub(crate) agent: Name,
    /// The deed cannot be undone: it needs `action approve` before each attempt
    #[arg(long)]
    pub(crate) irreversible: bool,
    /// What the deed is about; the same key with another fingerprint is an error
    #[arg(long, value_name = "TEXT")]
    pub(crate) fingerprint: Option<String>,
    /// How long a finished deed is not done again
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration::parse)]
    pub(crate) window: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = "\
It prints `proceed`, or the stored result of what is done already. An intention that a crash left behind
may be begun again when its tier is read or append; of tier mutate it is unknown until `action resolve`.
It is left behind when its run (AGENT_STATE_RUN_ID) has ended or, outside of a run, when its lease passed.

Exit codes: 0 proceed; 1 done, in progress, unknown, or not approved; 3 the key has another fingerprint.

Examples:
  agent-state action begin post-42 --agent reviewer --tier mutate && agent-state action done post-42 --result '{\"id\":7}'
  agent-state action begin digest-7 --agent reviewer --tier append --window 7d")]
pub(crate) struct Begin {
    #[command(flatten)]
    pub(crate) deed: Deed,
    /// What the deed does to the world
    #[arg(long)]
    pub(crate) tier: Tier,
    /// How long it counts as in progress when no run tells
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration::parse)]
    pub(crate) lease: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 1 when it was not begun or has ended already.

Examples:
  agent-state action begin mail-1 --agent reviewer --tier mutate; agent-state action done mail-1
  agent-state action begin mail-2 --agent reviewer --tier mutate; agent-state action done mail-2 --result '{\"id\":7}'")]
pub(crate) struct Done {
    /// What the deed is called
    pub(crate) key: Name,
    /// What came of it, as JSON
    #[arg(long, value_name = "JSON")]
    pub(crate) result: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 1 when it was not begun or has ended already.

Examples:
  agent-state action begin mail-3 --agent reviewer --tier mutate; agent-state action fail mail-3
  agent-state action begin mail-4 --agent reviewer --tier mutate; agent-state action fail mail-4 --error 'no network'")]
pub(crate) struct Fail {
    /// What the deed is called
    pub(crate) key: Name,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) error: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 1 when `show` finds no such action.

Examples:
  agent-state action approve deploy-7
  agent-state action begin mail-5 --agent reviewer --tier read; agent-state action show mail-5 --json")]
pub(crate) struct Key {
    /// What the deed is called
    pub(crate) key: Name,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  agent-state action list
  agent-state action list --state unknown --json")]
pub(crate) struct List {
    /// Only actions that stand so
    #[arg(long)]
    pub(crate) state: Option<State>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// What a person found out.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Finding {
    /// The deed had its effect
    Done,
    /// It had none, and may be tried again
    Retry,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Look at the world first: was it posted, sent, deployed? The reason stays on record.

Exit codes: 1 when the action is not unknown.

Examples:
  agent-state action list --state unknown
  agent-state action resolve post-42 done --reason 'the post is online' || echo 'nothing to resolve'")]
pub(crate) struct Resolve {
    /// What the deed is called
    pub(crate) key: Name,
    /// What was found out
    pub(crate) finding: Finding,
    /// How, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Name,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The command runs unless it succeeded before within the window. When this process is killed while the
command runs, a deed of tier mutate is unknown, and nobody runs it again before `action resolve`.

Exit codes: those of the command, and its signal; 1 when it is done, in progress, unknown or not approved:
the stored result is printed then; 125 when the intention could not be recorded.

Examples:
  agent-state once post-43 --agent reviewer -- echo posted
  agent-state once sync --agent reviewer --until-finished --tier append -- echo synced")]
pub(crate) struct Once {
    #[command(flatten)]
    pub(crate) deed: Deed,
    /// What the deed does to the world
    #[arg(long, default_value = "mutate")]
    pub(crate) tier: Tier,
    /// Only keep others from running it at the same time
    #[arg(long, conflicts_with = "window")]
    pub(crate) until_finished: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}
