//! `agent-state agent …`.

use clap::{Args, Subcommand};
use common::fleet::agents::AgentType;
use common::name::Name;

use crate::complete;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Register an agent, or change what the flags say of a known one
    Register(Register),
    /// List agents by name
    List(List),
    /// Show one agent
    Show(Which),
    /// Note that an agent is alive
    Heartbeat(Which),
    /// Retire an agent; what it did stays on record
    Retire(Which),
}

#[derive(Debug, Args)]
#[command(after_help = "\
A name is unique: registering it again gives the same agent and changes only what a flag sets. The
id of another agent is refused as a name (exit 2).

Examples:
  agent-state agent register reviewer --type cron
  agent-state agent register reviewer --metadata '{\"owner\":\"me\"}'")]
pub(crate) struct Register {
    /// The agent's unique name
    pub(crate) name: Name,
    /// How the agent comes to run [default for a new agent: cron]
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) agent_type: Option<AgentType>,
    /// The id of its job in another scheduler
    #[arg(long, value_name = "ID")]
    pub(crate) cron_job_id: Option<Name>,
    /// What to note about it, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) metadata: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  agent-state agent list
  agent-state agent list --type cron --json")]
pub(crate) struct List {
    /// Only agents of this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) agent_type: Option<AgentType>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 1 when there is no such agent.

Examples:
  agent-state agent show reviewer
  agent-state agent heartbeat reviewer")]
pub(crate) struct Which {
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
}
