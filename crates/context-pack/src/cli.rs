//! The command line: clap types only. The doc comments are the help.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use common::cli::OutputArgs;

use crate::request::{Format, Tokens};
use crate::tokens::Tokenizer;

const PACK_HELP: &str = "\
Exit codes:
  0    the document was written
  1    not even the heading fits the budget
  2    wrong usage
  3    a path could not be read; the old document at -o is still there

A path that is named like a command is packed as ./exec, ./count and so on.

Examples:
  context-pack . --budget 8000 | head -40
  context-pack . --budget 32000 -o /tmp/context.md -v";

const EXEC_HELP: &str = "\
The command gets the document on stdin and the path of a private copy, removed afterwards, in
CONTEXT_PACK_FILE.

Exit codes: those of the command; 125 when packing failed and the command was not started;
126 the command is not executable; 127 there is no such command.

Environment:
  CONTEXT_PACK_FILE  set for the command: the file that holds the document
  TMPDIR             where that file is made [default: /tmp]

Examples:
  context-pack exec . --budget 8000 -- head -40
  context-pack exec . --budget 32000 -- sh -c 'wc -c \"$CONTEXT_PACK_FILE\"'";

const COUNT_HELP: &str = "\
Examples:
  context-pack count README.md
  git diff | context-pack count - --tokenizer o200k_base";

/// Pack a repository into one document that fits the model's window
///
/// Leaves out dependencies, build output, logs, generated files and secrets, chooses what the next
/// change will most likely need, and never exceeds the budget, counted on the final text.
#[derive(Debug, Parser)]
#[command(name = "context-pack", version, after_help = PACK_HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) pack: PackArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What can be done besides packing.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Pack, then run a command with the document on its stdin
    #[command(after_help = EXEC_HELP)]
    Exec(ExecArgs),
    /// Print the number of tokens of files or of stdin
    #[command(after_help = COUNT_HELP)]
    Count(CountArgs),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What is packed and how.
#[derive(Debug, Args)]
pub(crate) struct PackArgs {
    /// What to pack: directories or files [default: the working directory]
    #[arg(value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) budget: BudgetArgs,
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
}

/// How large the document may be.
#[derive(Debug, Args)]
#[command(next_help_heading = "Budget")]
pub(crate) struct BudgetArgs {
    /// The most tokens that the document may have, as 32000 or 32k
    #[arg(long, value_name = "TOKENS", default_value = "32000")]
    pub(crate) budget: Tokens,
    /// The vocabulary that counts
    #[arg(long, value_name = "NAME", default_value = "cl100k_base")]
    pub(crate) tokenizer: Tokenizer,
}

/// What the document looks like and where it goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Document")]
pub(crate) struct DocumentArgs {
    /// The form of the document
    #[arg(long, value_name = "FORM", default_value = "markdown")]
    pub(crate) format: Format,
    /// Write the document to this file, whole or not at all
    #[arg(short, long = "output", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) output_file: Option<PathBuf>,
    /// Say nothing about what was packed, not even on a terminal
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say on stderr what was packed
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// `exec`: what is packed, then what is run.
#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) pack: PackArgs,
    /// The command and its arguments, after --
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// `count`: what is counted.
#[derive(Debug, Args)]
pub(crate) struct CountArgs {
    /// Files to count; - is stdin
    #[arg(required = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// The vocabulary that counts
    #[arg(long, value_name = "NAME", default_value = "cl100k_base")]
    pub(crate) tokenizer: Tokenizer,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_path_named_like_a_command_is_reached_with_a_dot() {
        let cli = Cli::try_parse_from(["context-pack", "./exec", "count"]).unwrap();
        assert!(cli.verb.is_none());
        assert_eq!(cli.pack.paths, [PathBuf::from("./exec"), PathBuf::from("count")]);
    }
}
