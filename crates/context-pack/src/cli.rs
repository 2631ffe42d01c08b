//! The command line: clap types only. The doc comments are the help.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use common::cli::OutputArgs;
use common::name::Name;

use crate::request::{Format, Margin, Model, Tokens};
use crate::tokens::Tokenizer;

const PACK_HELP: &str = "\
Exit codes:
  0    the document was written; with --check: it would be the same
  1    not even the heading fits the budget, and a file at -o stays as it is; with --check: a new
       document would differ
  2    wrong usage
  3    a path could not be read or written; the old files at -o and --stats are still there

Files:
  .context-pack.toml                   settings of the packed tree; context-pack init writes one
  ~/.config/context-pack/config.toml   settings of this user; those of the tree win, flags win over both
  .context-packignore                  what to leave out, in the form of .gitignore

Environment:
  HOME  where the settings of this user are
  PATH  where git is looked for

A path that is named like a command is packed as ./exec, ./count and so on.

Examples:
  context-pack . --budget 8000 | head -40
  context-pack . --budget 32000 --model qwen -o /tmp/context.md -v
  context-pack . --focus 'rate limit' --explain";

const EXEC_HELP: &str = "\
The command gets the document on stdin and the path of a private copy, removed afterwards, in
CONTEXT_PACK_FILE; with -o that file is the copy, and stays. What a run that was killed left in
TMPDIR is removed by the next.

Exit codes: those of the command; 125 when packing failed and the command was not started;
126 the command is not executable; 127 there is no such command.

Environment:
  CONTEXT_PACK_FILE  set for the command: the file that holds the document
  TMPDIR             where that file is made [default: /tmp]

Examples:
  context-pack exec . --budget 8000 -- head -40
  context-pack exec . --budget 32000 -- sh -c 'wc -c \"$CONTEXT_PACK_FILE\"'";

const COUNT_HELP: &str = "\
Exit codes: 0 counted; 2 wrong usage; 3 a file could not be read, or is not text.

With --json, each file is an object on a line: path, tokens, tokenizer.

Examples:
  context-pack count README.md
  git diff | context-pack count - --tokenizer o200k_base";

const COMPLETIONS_HELP: &str = "\
Exit codes: 0 printed; 2 there is no such shell; 3 it could not be written.

Examples:
  context-pack completions bash > ~/.context-pack.bash && . ~/.context-pack.bash
  context-pack completions zsh | head -3";

const INIT_HELP: &str = "\
Exit codes: 0 written; 1 there is one already, and it stays as it is; 3 it could not be written.

Examples:
  context-pack init
  cd \"$(mktemp -d)\" && context-pack init && cat .context-pack.toml";

/// Pack a repository into one document that fits the model's window
///
/// Leaves out dependencies, build output, logs, generated files and secrets, chooses what the next
/// change will most likely need, and never exceeds the budget, counted on the final text.
#[derive(Debug, Parser)]
#[command(name = "context-pack", version, after_help = PACK_HELP, args_conflicts_with_subcommands = true)]
#[command(mut_arg("json", |json| json.help("Print JSON: views, counts and errors; for the document see --format")))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) pack: PackArgs,
    #[command(flatten)]
    pub(crate) view: ViewArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What can be done besides packing.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Pack, then run a command with the document on its stdin
    #[command(after_help = EXEC_HELP)]
    Exec(Box<ExecArgs>),
    /// Print the number of tokens of files or of stdin
    #[command(after_help = COUNT_HELP)]
    Count(CountArgs),
    /// Write a commented .context-pack.toml into the working directory
    #[command(after_help = INIT_HELP)]
    Init,
    /// Print the completion script of a shell
    #[command(after_help = COMPLETIONS_HELP)]
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
    pub(crate) choice: ChoiceArgs,
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
}

/// How large the document may be.
#[derive(Debug, Args)]
#[command(next_help_heading = "Budget")]
pub(crate) struct BudgetArgs {
    /// The most tokens that the document may have, as 32000 or 32k [default: 32000]
    #[arg(long, value_name = "TOKENS", allow_negative_numbers = true)]
    pub(crate) budget: Option<Tokens>,
    /// The vocabulary that counts [default: cl100k_base]
    #[arg(long, value_name = "NAME")]
    pub(crate) tokenizer: Option<Tokenizer>,
    /// The model that will read the document; what it needs more than the vocabulary is taken off
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<Model>,
    /// What is taken off the budget for safety, as 5% [default: 5%]
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    pub(crate) margin: Option<Margin>,
    /// The most tokens that one file may have, with its heading and fence, pinned or not
    #[arg(long, value_name = "TOKENS", allow_negative_numbers = true)]
    pub(crate) max_file: Option<Tokens>,
}

/// What is chosen.
#[derive(Debug, Args)]
#[command(next_help_heading = "Choice")]
pub(crate) struct ChoiceArgs {
    /// Pack only files that match (can be repeated); a secret or ignored file comes in when named exactly
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Leave out files that match (can be repeated)
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Show files that match first, in full as far as --max-file and half of the budget go (can be repeated)
    #[arg(long, value_name = "GLOB")]
    pub(crate) pin: Vec<String>,
    /// Pack for this agent: its folder in agents/, the shared one, and no other agent's
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<Name>,
    /// Prefer files with these words in path, names or content (can be repeated)
    #[arg(long, value_name = "TEXT")]
    pub(crate) focus: Vec<String>,
    /// Prefer files that changed since this revision
    #[arg(long, value_name = "REV")]
    pub(crate) changed_since: Option<String>,
    /// Add the changes that are not committed, or those since --changed-since
    #[arg(long)]
    pub(crate) diff: bool,
    /// Add the first lines of the last N commit messages
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) log: Option<usize>,
    /// Do not ask git
    #[arg(long, conflicts_with_all = ["changed_since", "diff", "log"])]
    pub(crate) no_git: bool,
    /// Show whole files and excerpts only
    #[arg(long)]
    pub(crate) no_outline: bool,
    /// Pack exactly the files that this file lists, one a line or each ended by NUL; - is stdin
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) files_from: Option<PathBuf>,
    /// Read settings from this file instead of .context-pack.toml and ~/.config/context-pack/config.toml
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
}

/// What the document looks like and where it goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Document")]
pub(crate) struct DocumentArgs {
    /// The form of the document [default: markdown]
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<Format>,
    /// Number the lines of files
    #[arg(long)]
    pub(crate) line_numbers: bool,
    /// Write to this file, whole or not at all, what stdout would get; its mode stays, a new one has 0600
    #[arg(short, long = "output", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) output_file: Option<PathBuf>,
    /// Write what was packed as JSON to this file; - is stdout
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) stats: Option<PathBuf>,
    /// Say nothing about what was packed, not even on a terminal
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say on stderr what was packed
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// What is printed instead of the document.
#[derive(Debug, Args)]
#[command(next_help_heading = "Instead of the document")]
pub(crate) struct ViewArgs {
    /// Write nothing; exit 1 if a new pack would differ from the file at -o
    #[arg(long, requires = "output_file", conflicts_with_all = ["explain", "list", "stats"])]
    pub(crate) check: bool,
    /// Print what each file is worth, why, its depth (outline, head, parts, full) and what it costs
    #[arg(long, conflicts_with = "list")]
    pub(crate) explain: bool,
    /// Print the names of the packed files, one a line, with control characters escaped
    #[arg(long)]
    pub(crate) list: bool,
    /// End the names of --list with NUL, and leave them as they are
    #[arg(short = '0', long, requires = "list", conflicts_with = "json")]
    pub(crate) null: bool,
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
