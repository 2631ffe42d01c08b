//! `agent-state file …`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use common::duration;
use common::name::Name;

use crate::complete;
use crate::disk::FileVersion;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print a file, and its version on stderr
    Get(Get),
    /// Replace a file, if it is still as it was read
    Put(Put),
    /// List the kept versions of a file
    Log(Log),
    /// Put an old version back
    Restore(Restore),
    /// Show what changed between two versions
    Diff(Diff),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The version is the SHA-256 of the content and stands on the last line of stderr; with --json both are in
one object.

Exit codes: 1 when there is no such file.

Examples:
  echo 'be kind' > skill.md; agent-state file get skill.md
  echo 'be kind' > skill.md; agent-state file get skill.md --json")]
pub(crate) struct Get {
    /// The file
    pub(crate) path: PathBuf,
}

/// What a file must hold to be replaced.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// There is no file.
    Absent,
    /// It holds this.
    Version(FileVersion),
}

impl FromStr for Condition {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "absent" {
            return Ok(Self::Absent);
        }
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self::Version(FileVersion::from(text.to_ascii_lowercase())));
        }
        Err("not a version; it is the 64 hex digits that `file get` prints, or `absent`")
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
The new content comes on stdin, 1 MiB at most. The file is replaced whole, and what it held is kept. It
prints the new version. Edits made by other programs are noticed, since the version is that of the disk.

Exit codes: 1 when the file has changed since it was read, or is locked: it is untouched then.

Examples:
  echo 'be kind' | agent-state file put new-skill.md --if-version absent
  echo 'be kind' > skill.md; v=$(agent-state file get skill.md 2>&1 >copy | tail -n1); agent-state file put skill.md --if-version \"$v\" < copy")]
pub(crate) struct Put {
    /// The file
    pub(crate) path: PathBuf,
    /// The version that was read, or `absent`
    #[arg(long, value_name = "VERSION")]
    pub(crate) if_version: Condition,
    /// Who replaces it [default: AGENT_STATE_AGENT]
    #[arg(long, add = complete::agents())]
    pub(crate) agent: Option<Name>,
    /// How long to wait for another who is replacing it
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    pub(crate) wait: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The last 20 versions are kept. `found` is what another program wrote.

Examples:
  agent-state file log skill.md
  agent-state file log skill.md --json")]
pub(crate) struct Log {
    /// The file
    pub(crate) path: PathBuf,
}

/// A version, or the beginning of one.
#[derive(Debug, Clone)]
pub(crate) struct Prefix(String);

impl Prefix {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_ascii_lowercase()))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
What the file holds now is kept, so that a restore can be undone like any other change.

Exit codes: 1 when that version is not kept.

Examples:
  v=$(echo one | agent-state file put note.md --if-version absent); agent-state file restore note.md \"$v\"
  echo two | agent-state file put plan.md --if-version absent; agent-state file restore plan.md \"$(agent-state file log plan.md --json | tail -n1 | cut -d'\"' -f8)\"")]
pub(crate) struct Restore {
    /// The file
    pub(crate) path: PathBuf,
    /// The version, or the beginning of it
    pub(crate) version: Prefix,
    /// Who restores it [default: AGENT_STATE_AGENT]
    #[arg(long, add = complete::agents())]
    pub(crate) agent: Option<Name>,
    /// How long to wait for another who is replacing it
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    pub(crate) wait: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 1 when a version is not kept.

Examples:
  v=$(echo one | agent-state file put memo.md --if-version absent); agent-state file diff memo.md \"$v\"
  v=$(echo two | agent-state file put draft.md --if-version absent); agent-state file diff draft.md \"$v\" \"$v\" --json")]
pub(crate) struct Diff {
    /// The file
    pub(crate) path: PathBuf,
    /// The older version, or the beginning of it
    #[arg(value_name = "V1")]
    pub(crate) old: Prefix,
    /// The newer version [default: what is on disk now]
    #[arg(value_name = "V2")]
    pub(crate) new: Option<Prefix>,
}
