//! `agent-state lock …`.

use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use common::duration::{self, DurationError};
use common::name::{Name, NameError};

use crate::complete;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Take a lock, or extend it when it is one's own
    Acquire(Acquire),
    /// Give a lock back
    Release(Release),
    /// Extend a lock that one holds
    Renew(Renew),
    /// Say who holds a lock
    Check(Which),
    /// List the locks that are held
    #[command(after_help = "\
Examples:
  agent-state lock list
  agent-state lock list --json")]
    List,
    /// Say whether a token is still current: a fence for scripts
    Verify(Verify),
    /// Take a lock away from whoever holds it
    Break(Break),
    /// Run a command while holding locks
    Exec(Exec),
}

/// A resource as it stands on the command line: a name, or a path that can be longer than a name.
#[derive(Debug, Clone)]
pub(crate) struct Resource(pub(crate) String);

/// The longest path, in bytes, as Linux has it.
const MAX_PATH: usize = 4096;

impl FromStr for Resource {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.parse::<Name>() {
            Err(NameError::TooLong(_))
                if text.len() <= MAX_PATH && !text.chars().any(char::is_control) => {}
            checked => {
                checked?;
            }
        }
        Ok(Self(text.to_owned()))
    }
}

/// How long a lock or a run lasts without a sign of life: more than nothing.
pub(crate) fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = duration::parse(text).map_err(|error: DurationError| error.to_string())?;
    if ttl < Duration::from_millis(1) {
        return Err("it must last for a while".to_owned());
    }
    Ok(ttl)
}

/// How a lock is taken and kept.
#[derive(Debug, Args)]
pub(crate) struct Terms {
    /// How long a lock lasts without being renewed
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = ttl)]
    pub(crate) ttl: Duration,
    /// How long to wait for what is held; first come, first served
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration::parse)]
    pub(crate) wait: Duration,
    /// Hold it together with others that share it
    #[arg(long)]
    pub(crate) shared: bool,
    /// What for, for those who find it held
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<Name>,
    /// It is a path: made absolute; a directory conflicts with what is below it
    #[arg(long)]
    pub(crate) path: bool,
    /// The exit code when a lock is held
    #[arg(short = 'E', value_name = "CODE", default_value_t = 1)]
    pub(crate) exit_code: u8,
}

#[derive(Debug, Args)]
#[command(after_help = "\
It prints the fencing token, a number that only grows. The lock belongs to the agent within its run
(AGENT_STATE_RUN_ID), ends with that run, and lapses when its time to live has passed.

Exit codes: 1, or CODE, when the lock is held.

Examples:
  agent-state lock acquire repo reviewer --ttl 10m --reason 'weekly review'
  agent-state lock acquire repo reviewer --wait 30s -E 75")]
pub(crate) struct Acquire {
    /// What to lock
    #[arg(add = complete::resources())]
    pub(crate) resource: Resource,
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    #[command(flatten)]
    pub(crate) terms: Terms,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A run cannot give back the lock of another run, also not of the same agent.

Exit codes: 1 when the agent does not hold it in this run, or the token is not current.

Examples:
  agent-state lock acquire repo reviewer; agent-state lock release repo reviewer
  token=$(agent-state lock acquire repo reviewer); agent-state lock release repo reviewer --token \"$token\"")]
pub(crate) struct Release {
    /// What is locked
    #[arg(add = complete::resources())]
    pub(crate) resource: Resource,
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// The token of the grant
    #[arg(long, value_name = "N")]
    pub(crate) token: Option<i64>,
    /// The resource is a path
    #[arg(long)]
    pub(crate) path: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
With --path, a lock on a directory above it or on anything below it is in its way, too, and is named.

Exit codes: 0 when it is held, 1 when it is free.

Examples:
  agent-state lock acquire repo reviewer; agent-state lock check repo
  agent-state lock check repo --json || echo 'it is free'")]
pub(crate) struct Which {
    /// What is locked
    #[arg(add = complete::resources())]
    pub(crate) resource: Resource,
    /// The resource is a path
    #[arg(long)]
    pub(crate) path: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A lock is never shortened. One that has lapsed is not revived: then stop working.

Exit codes: 1 when the agent does not hold it with that token.

Examples:
  token=$(agent-state lock acquire repo reviewer); agent-state lock renew repo reviewer --token \"$token\"
  token=$(agent-state lock acquire repo reviewer); agent-state lock renew repo reviewer --token \"$token\" --ttl 1h")]
pub(crate) struct Renew {
    /// What is locked
    #[arg(add = complete::resources())]
    pub(crate) resource: Resource,
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// The token of the grant
    #[arg(long, value_name = "N")]
    pub(crate) token: i64,
    /// How long it lasts from now on [default: as before]
    #[arg(long, value_name = "DURATION", value_parser = ttl)]
    pub(crate) ttl: Option<Duration>,
    /// The resource is a path
    #[arg(long)]
    pub(crate) path: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 when a grant with this token holds now, 1 when it does not.

Examples:
  token=$(agent-state lock acquire repo reviewer); agent-state lock verify repo --token \"$token\" && echo publish
  agent-state lock verify repo --token 1 || echo 'somebody else was here'")]
pub(crate) struct Verify {
    /// What is locked
    #[arg(add = complete::resources())]
    pub(crate) resource: Resource,
    /// The token of the grant
    #[arg(long, value_name = "N")]
    pub(crate) token: i64,
    /// The resource is a path
    #[arg(long)]
    pub(crate) path: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The reason stays on record. An `exec` that held the lock ends its command within a second or so.

Exit codes: 1 when it is not locked.

Examples:
  agent-state lock acquire repo reviewer; agent-state lock break repo --reason 'reviewer is stuck'
  agent-state lock acquire repo reviewer; agent-state lock break repo --reason 'machine is gone' --json")]
pub(crate) struct Break {
    /// What is locked
    #[arg(add = complete::resources())]
    pub(crate) resource: Resource,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Name,
    /// The resource is a path
    #[arg(long)]
    pub(crate) path: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The locks are taken all or none, kept alive while the command runs, and given back. The command finds the
fencing tokens in AGENT_STATE_LOCK_TOKEN_1, _2 and so on. When a lock is lost, the command gets TERM, and
KILL after 5 seconds. Without --agent the locks belong to AGENT_STATE_AGENT, or to the process alone.

Exit codes: those of the command, and its signal; 1, or CODE, when a lock is held; 125 when the locks
could not be recorded; 126 and 127 when the command cannot be executed or found.

Examples:
  agent-state lock exec repo -- git pull
  agent-state lock exec repo site --wait 30s --ttl 1m -- make deploy")]
pub(crate) struct Exec {
    /// What to lock (can be repeated)
    #[arg(required = true, add = complete::resources())]
    pub(crate) resources: Vec<Resource>,
    /// The agent's name or id
    #[arg(long, add = complete::agents())]
    pub(crate) agent: Option<Name>,
    #[command(flatten)]
    pub(crate) terms: Terms,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}
