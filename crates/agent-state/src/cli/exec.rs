//! `agent-state exec …`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use common::duration;
use common::name::Name;

use super::lock::ttl;
use crate::complete;
use crate::slot::Slot;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The command finds AGENT_STATE_RUN_ID, AGENT_STATE_AGENT, AGENT_STATE_AGENT_ID, AGENT_STATE_JOB and, for
the first --lock, AGENT_STATE_LOCK_TOKEN_1 in its environment. When an outer `cron-guard exec` opened a
run, that run is adopted. When a lock is lost, the command gets TERM, and KILL after 5 seconds. What it
leaves in the background and writes later still comes out; the journal and --log have no more of it.

Exit codes: those of the command, and its signal; 1 when a lock is held or the slot had its run; 124 when
its time ran out; 125 when it could not be recorded, and so was not started; 126 and 127 when it cannot
be executed or found.

Examples:
  agent-state exec reviewer -- echo reviewed
  agent-state exec reviewer --job k6-weekly --slot auto --lock repo --wait 30s -- make review")]
pub(crate) struct Args {
    /// The agent's name or id; it is registered when it is unknown
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// The job that runs
    #[arg(long, add = complete::jobs())]
    pub(crate) job: Option<Name>,
    /// The scheduled slot, of which a job has one run at most; `auto` is the current minute. It stays free when
    /// the command could not be started, as for a lock that is held
    #[arg(long)]
    pub(crate) slot: Option<Slot>,
    /// A lock to hold while the command runs; all or none are taken (can be repeated)
    #[arg(long = "lock", value_name = "RESOURCE", add = complete::resources())]
    pub(crate) locks: Vec<Name>,
    /// How long a lock lasts without being renewed
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = ttl)]
    pub(crate) ttl: Duration,
    /// How long to wait for the locks
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration::parse)]
    pub(crate) wait: Duration,
    /// End the command after this long
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Append what the command prints to this file, too; a full disk is told at the end
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}
