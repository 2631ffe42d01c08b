//! `agent-state state …`.

use clap::{Args, Subcommand};
use common::name::Name;

use crate::complete;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print a value
    Get(Get),
    /// Write a value, or refuse when it has changed
    Set(Set),
    /// List keys with their versions
    List(List),
    /// Delete a value; its history stays
    Delete(Delete),
    /// List the last 20 versions of a value
    History(Key),
    /// Write an old version again, as the newest
    Restore(Restore),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 1 when there is no such key.

Examples:
  agent-state state set reviewer cursor 42; agent-state state get reviewer cursor
  agent-state state set reviewer note 'all well'; agent-state state get reviewer note --raw")]
pub(crate) struct Get {
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// The key
    pub(crate) key: Name,
    /// Print a string without its quotes
    #[arg(long)]
    pub(crate) raw: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A value that parses as JSON is kept as JSON, else as a string; --string and --json-value remove the guess.
It prints the new version. Of any number of writers with the same --if-version exactly one wins.

Exit codes: 1 when the version differs or the key exists; 2 for a value of more than 1 MiB.

Examples:
  agent-state state set reviewer cursor 42 --if-absent || echo 'it is there already'
  echo '{\"pr\": 7}' | agent-state state set reviewer last -")]
pub(crate) struct Set {
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// The key
    pub(crate) key: Name,
    /// The value; `-` reads it from stdin
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: String,
    /// Only when the current version is this one; 0 means that there is none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) if_version: Option<i64>,
    /// Only when there is no value
    #[arg(long, conflicts_with = "if_version")]
    pub(crate) if_absent: bool,
    /// Keep the value as a string, even when it parses as JSON
    #[arg(long, conflicts_with = "json_value")]
    pub(crate) string: bool,
    /// Refuse a value that is not JSON
    #[arg(long)]
    pub(crate) json_value: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  agent-state state list reviewer
  agent-state state list reviewer --prefix pr/ --json")]
pub(crate) struct List {
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// Only keys that begin with this text, taken literally
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<Name>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The version goes on growing when the key is written again.

Exit codes: 1 when there is no such key or its version differs.

Examples:
  agent-state state set reviewer old 1; agent-state state delete reviewer old
  agent-state state set reviewer old 1 --if-absent --json; agent-state state delete reviewer old --json")]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) which: Key,
    /// Only when the current version is this one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) if_version: Option<i64>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 1 when the key was never written.

Examples:
  agent-state state set reviewer cursor 42; agent-state state history reviewer cursor
  agent-state state set reviewer cursor 43; agent-state state history reviewer cursor --json")]
pub(crate) struct Key {
    /// The agent's name or id
    #[arg(add = complete::agents())]
    pub(crate) agent: Name,
    /// The key
    pub(crate) key: Name,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 1 when that version is not kept.

Examples:
  agent-state state set reviewer mode fast --if-absent; agent-state state restore reviewer mode 1
  agent-state state set reviewer pace slow --if-absent; agent-state state restore reviewer pace 1 --json")]
pub(crate) struct Restore {
    #[command(flatten)]
    pub(crate) which: Key,
    /// The version to write again
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) version: i64,
}
