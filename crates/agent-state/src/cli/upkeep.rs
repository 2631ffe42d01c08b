//! `agent-state doctor`, `backup`, `prune`, `import`, `completions`.

use std::path::PathBuf;
use std::time::Duration;

use common::duration;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The copy is whole and of one moment, while others go on writing. A regular file of that
name is replaced, and nothing else is: no directory, link, pipe or device.

Examples:
  agent-state backup fleet.db
  agent-state backup \"fleet-$(date +%F).db\"")]
pub(crate) struct Backup {
    /// Where the copy goes
    pub(crate) file: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Finished runs, events, posts that ended, and finished actions are forgotten. Running runs, locks, values,
files, journal entries and unknown actions stay. `exec` and `run start` prune a little once a day, what is
older than 90 days.

Examples:
  agent-state prune --older-than 90d --dry-run
  agent-state prune --older-than 90d --json")]
pub(crate) struct Prune {
    /// Forget what is older than this
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) older_than: Duration,
    /// Only count
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file is only read. What was imported before is not imported twice, so it can be done again at any
time. Agents keep their ids; runs get new ones that sort by their start. Agents of one name become one, and
the newer of their values stays. Skipped is what is over, superseded, or has no name that a command could say.

Exit codes: 3 when the file is no database of the Python tool.

Examples:
  test ! -e ~/.hermes/state/agent_state.db || agent-state import ~/.hermes/state/agent_state.db
  test ! -e old.db || agent-state import old.db --json")]
pub(crate) struct Import {
    /// The database of the Python tool
    pub(crate) file: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every table is copied, those of cron-guard too, and the copy is held against the original row for row. The
original stays as it is; the target must be empty. Stop the crontab first: while a run, a lock or a task's
node is alive, nothing is copied. Passwords come from ~/.pgpass or PGPASSWORD, as psql has them.

Exit codes: 1 when the original is in use, or the target is not empty; 2 when both are the same database.

Examples:
  agent-state migrate \"$HOME/.local/state/agent-state/state.db\" copy.db
  agent-state backup now.db && agent-state migrate now.db moved.db --json")]
pub(crate) struct Migrate {
    /// The database to copy: a file, or postgres://user@host/dbname
    pub(crate) from: PathBuf,
    /// Where the copy goes: a file, or postgres://user@host/dbname
    pub(crate) to: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Names of agents, jobs and locks are completed from the database.

Examples:
  eval \"$(agent-state completions bash)\"
  agent-state completions fish > agent-state.fish")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
