//! The command line: types and help, no logic.

pub(crate) mod action;
pub(crate) mod agent;
pub(crate) mod coord;
pub(crate) mod exec;
pub(crate) mod file;
mod lazy;
pub(crate) mod lock;
pub(crate) mod run;
pub(crate) mod serving;
pub(crate) mod state;
pub(crate) mod task;
pub(crate) mod upkeep;
pub(crate) mod watch;

use clap::{Parser, Subcommand};
use common::cli::OutputArgs;
use common::fleet::DatabaseArgs;
use lazy::Lazy;

/// Shared state for a fleet of agents: who they are, what they ran, know, hold and are about to do
#[derive(Debug, Parser)]
#[command(name = "agent-state", version, disable_help_subcommand = true)]
#[command(term_width = 0)] // an example that was wrapped cannot be pasted
#[command(after_help = "\
Exit codes: 0 done or yes; 1 an honest no; 2 wrong usage; 3 somebody must fix something; 4 try again
later. `exec` passes on the code of its command.

Environment: AGENT_STATE_DB names the database. AGENT_STATE_RUN_ID is the run that a command belongs to;
what would end with that run (locks, working-on, actions, leases of nodes) is refused once it has ended.

Examples:
  agent-state exec reviewer --job k6-weekly --lock repo -- make review
  agent-state stats")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) noun: Noun,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Noun {
    /// Create the database; every command does so when it is absent
    #[command(after_help = "\
Examples:
  agent-state init
  agent-state init --db /tmp/fleet.db")]
    Init,
    /// Register agents and look at them
    #[command(subcommand)]
    #[command(after_help = "\
Examples:
  agent-state agent register reviewer
  agent-state agent list")]
    Agent(Lazy<agent::Verb>),
    /// Record runs: start, heartbeat, finish once
    #[command(subcommand)]
    #[command(after_help = "\
Examples:
  agent-state run start reviewer --id-only
  agent-state run list --since 7d")]
    Run(Lazy<run::Verb>),
    /// Run a command as a recorded run, holding locks
    Exec(exec::Args),
    /// Keep versioned values, one writer at a time
    #[command(subcommand)]
    #[command(after_help = "\
Examples:
  agent-state state set reviewer cursor 42; agent-state state get reviewer cursor
  agent-state state list reviewer")]
    State(Lazy<state::Verb>),
    /// Hold resources for a while, with fencing tokens
    #[command(subcommand)]
    #[command(after_help = "\
Examples:
  agent-state lock acquire repo reviewer --ttl 10m
  agent-state lock list")]
    Lock(Lazy<lock::Verb>),
    /// Replace files only when they are as they were read
    #[command(subcommand)]
    #[command(after_help = "\
Examples:
  echo 'be kind' > skill.md; agent-state file get skill.md
  agent-state file log skill.md")]
    File(Lazy<file::Verb>),
    /// Write down intentions, so that a retry does not act twice
    #[command(subcommand)]
    #[command(after_help = "\
Examples:
  agent-state action begin post-44 --agent reviewer --tier mutate && agent-state action done post-44
  agent-state action list --state unknown")]
    Action(Lazy<action::Verb>),
    /// Run a command that must not do its deed twice
    Once(action::Once),
    /// Tell others what one works on, and read what they said
    #[command(subcommand)]
    #[command(after_help = "\
Examples:
  agent-state coord working-on reviewer repo --detail 'weekly review'
  agent-state coord bulletin")]
    Coord(Lazy<coord::Verb>),
    /// Note things for later
    #[command(subcommand)]
    #[command(after_help = "\
Examples:
  agent-state journal add reviewer lesson 'run the linter first'
  agent-state journal list --category lesson")]
    Journal(Lazy<coord::JournalVerb>),
    /// Share out the nodes of a graph of work, each to one agent at a time
    #[command(subcommand)]
    #[command(after_help = "\
Examples:
  agent-state task submit '{\"nodes\":[{\"id\":\"build\"},{\"id\":\"test\",\"after\":[\"build\"]}]}'
  agent-state task next reviewer || echo 'nothing to do'")]
    Task(Lazy<task::Verb>),
    /// Show who is doing what now
    Board(watch::Board),
    /// Print the record of changes
    Events(watch::Events),
    /// Count agents, runs and locks
    #[command(after_help = "\
Examples:
  agent-state stats
  agent-state stats --json")]
    Stats,
    /// Look for what is wrong with the database and its surroundings
    #[command(after_help = "\
It tries a write, and takes it back. A database that can only be read is a finding.

Exit codes: 0 when all is well, 1 when something was found: one line each.

Examples:
  agent-state doctor || true
  agent-state doctor --json || true")]
    Doctor,
    /// Copy the database while it is in use
    Backup(upkeep::Backup),
    /// Take over the database of the Python tool
    Import(upkeep::Import),
    /// Copy a fleet database to another place, as from a file to a server
    Migrate(upkeep::Migrate),
    /// Forget what is old
    Prune(upkeep::Prune),
    /// Answer requests on a Unix socket, for programs in other languages
    Serve(serving::Serve),
    /// Answer requests on stdin and stdout, for programs in other languages
    #[command(after_help = serving::RPC_HELP)]
    Rpc,
    /// Describe every command with its parameters, replies and errors, as JSON
    #[command(after_help = "\
Examples:
  agent-state capabilities
  agent-state capabilities --json")]
    Capabilities,
    /// Print the completions of a shell
    Completions(upkeep::Completions),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
