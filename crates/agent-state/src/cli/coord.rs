//! `agent-state coord …` and `agent-state journal …`.

use std::time::Duration;

use clap::{Args, Subcommand};
use common::duration;
use common::name::Name;

use crate::complete;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say that an agent works on something
    WorkingOn(WorkingOn),
    /// Say that an agent has finished with something
    Completed(Post),
    /// Say that an agent cannot go on because of something
    BlockedBy(Post),
    /// Say something worth knowing about something
    Note(Post),
    /// Say who works on something now
    Check(Check),
    /// List the newest posts
    Recent(Recent),
    /// Print the board that agents read at their start, in markdown
    #[command(after_help = "\
Examples:
  agent-state coord bulletin
  agent-state coord bulletin > bulletin.md")]
    Bulletin,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  agent-state coord completed reviewer repo --detail 'all green'
  agent-state coord note reviewer repo --detail 'the tests need redis' --json")]
pub(crate) struct Post {
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// What it is about
    #[arg(add = complete::resources())]
    pub(crate) resource: Name,
    /// What to say
    #[arg(long, value_name = "TEXT")]
    pub(crate) detail: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
It ends by itself after the time given, with the run of AGENT_STATE_RUN_ID, or with `completed`. It keeps
nobody out: a lock does that.

Examples:
  agent-state coord working-on reviewer repo --detail 'weekly review'
  agent-state coord working-on reviewer site --for 2h")]
pub(crate) struct WorkingOn {
    #[command(flatten)]
    pub(crate) post: Post,
    /// How long, unless it is ended before
    #[arg(long = "for", value_name = "DURATION", default_value = "30m", value_parser = duration::parse)]
    pub(crate) lasting: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 when somebody works on it, 1 when nobody does.

Examples:
  agent-state coord check repo || echo 'nobody is on it'
  agent-state coord working-on reviewer repo; agent-state coord check repo --json")]
pub(crate) struct Check {
    /// What it is about
    #[arg(add = complete::resources())]
    pub(crate) resource: Name,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  agent-state coord recent
  agent-state coord recent --limit 5 --json")]
pub(crate) struct Recent {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalVerb {
    /// Note something for later
    Add(Add),
    /// List what was noted, oldest first
    List(Entries),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Text that parses as JSON is kept as JSON, else as a string; `-` reads it from stdin.

Examples:
  agent-state journal add reviewer lesson 'run the linter first'
  agent-state journal add reviewer decision '{\"use\":\"sqlite\"}'")]
pub(crate) struct Add {
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// A word for its kind, as lesson or decision
    pub(crate) category: Name,
    /// What to note
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  agent-state journal list --category lesson
  agent-state journal list --agent reviewer --since 7d --json")]
pub(crate) struct Entries {
    /// Only entries of this agent
    #[arg(long, add = complete::agents())]
    pub(crate) agent: Option<Name>,
    /// Only entries of this kind
    #[arg(long)]
    pub(crate) category: Option<Name>,
    /// Only entries written within this time
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) since: Option<Duration>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}
