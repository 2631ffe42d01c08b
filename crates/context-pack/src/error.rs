//! What only context-pack can meet, each with its exit code, its word and its hint.

use std::path::PathBuf;

use common::Exit;
use common::report::Explain;

/// A failure of a pack.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something that the tools share.
    #[error(transparent)]
    Common(#[from] common::Error),
    /// Not even the heading fits.
    #[error(
        "nothing fits a budget of {asked}, which leaves {limit} tokens, so the document is empty"
    )]
    NothingFits {
        /// What the user asked for.
        asked: usize,
        /// What the document may have after the margin.
        limit: usize,
    },
    /// The path is neither a file nor a directory.
    #[error("cannot pack {}: it is neither a directory nor a regular file", .path.display())]
    NotPackable {
        /// The path as it was written.
        path: PathBuf,
    },
    /// The path is a repository without files.
    #[error("cannot pack {}: it is a bare git repository, which has no files", .path.display())]
    Bare {
        /// The path as it was written.
        path: PathBuf,
    },
    /// A glob that does not parse.
    #[error("cannot read the pattern {pattern}")]
    Glob {
        /// The pattern as it was written.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A glob of nothing, as a variable that is not set leaves behind.
    #[error("cannot read the pattern '{pattern}': it names nothing")]
    EmptyGlob {
        /// The pattern as it was written.
        pattern: String,
    },
    /// A settings file with a mistake.
    #[error("cannot read the settings {}: {}{said}", .path.display(), at(*.line, *.column))]
    Settings {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The character in that line, counted from 1.
        column: usize,
        /// What is wrong.
        said: String,
    },
    /// No file of a list is there.
    #[error("cannot pack any of the {n_files} listed files: {first}")]
    NothingListed {
        /// How many there are in the list.
        n_files: usize,
        /// What is wrong with the first.
        first: String,
    },
    /// There is no folder of this agent.
    #[error("cannot find the folder of the agent {name}")]
    NoAgent {
        /// The agent that was asked for.
        name: String,
        /// The agents that there are.
        known: Vec<String>,
    },
    /// No packed path has this revision.
    #[error("cannot find the revision {}", quoted(revision))]
    NoRevision {
        /// The revision as it was written.
        revision: String,
    },
    /// Nobody can be asked for a revision.
    #[error("cannot find the revision {}: git is not installed", quoted(revision))]
    NoGit {
        /// The revision as it was written.
        revision: String,
    },
    /// The document at -o is not what a new pack would be.
    #[error("{} would change", .path.display())]
    Outdated {
        /// The document.
        path: PathBuf,
    },
    /// `--check` has no file to look at.
    #[error("--check compares with the document in a file, and -o names none")]
    NothingToCompare,
    /// The document and its figures would overwrite each other.
    #[error("-o and --stats name the same file {}", .path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// What stands at -o is no document.
    #[error("cannot compare with {}: it is not a regular file", .path.display())]
    NotComparable {
        /// What stands at -o.
        path: PathBuf,
    },
    /// `init` found settings.
    #[error("{} is there already", .path.display())]
    SettingsThere {
        /// The settings file.
        path: PathBuf,
    },
    /// There is no place for the copy that a command gets.
    #[error("cannot write a temporary file in {}: {said}", .folder.display())]
    NoTemporary {
        /// The folder for temporary files.
        folder: PathBuf,
        /// What is wrong, without the random name of the file.
        said: String,
    },
    /// What should be counted is not text.
    #[error("cannot count {}: it is not text", .path.display())]
    NotText {
        /// The path as it was written.
        path: PathBuf,
    },
}

fn at(line: usize, column: usize) -> String {
    format!("line {line}, column {column}: ")
}

/// A word as it was written; nothing, as a variable that is not set leaves behind, in quotes.
fn quoted(word: &str) -> &str {
    if word.is_empty() { "''" } else { word }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Common(error) => error.exit(),
            Self::NothingFits { .. } | Self::Outdated { .. } | Self::SettingsThere { .. } => {
                Exit::No
            }
            Self::Glob { .. }
            | Self::EmptyGlob { .. }
            | Self::NothingToCompare
            | Self::SameFile { .. } => Exit::Usage,
            Self::NotPackable { .. }
            | Self::NotComparable { .. }
            | Self::Bare { .. }
            | Self::NotText { .. }
            | Self::NoTemporary { .. }
            | Self::NothingListed { .. }
            | Self::Settings { .. }
            | Self::NoAgent { .. }
            | Self::NoGit { .. }
            | Self::NoRevision { .. } => Exit::Failed,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Common(error) => error.code(),
            Self::NothingFits { .. } => "nothing_fits",
            Self::NotPackable { .. } => "not_packable",
            Self::Bare { .. } => "bare_repository",
            Self::Glob { .. } | Self::EmptyGlob { .. } => "bad_glob",
            Self::Settings { .. } => "bad_settings",
            Self::NothingListed { .. } => "nothing_listed",
            Self::NoAgent { .. } => "no_agent",
            Self::NoGit { .. } => "no_git",
            Self::NoRevision { .. } => "no_revision",
            Self::Outdated { .. } => "outdated",
            Self::NothingToCompare => "nothing_to_compare",
            Self::SameFile { .. } => "same_file",
            Self::NotComparable { .. } => "not_comparable",
            Self::SettingsThere { .. } => "settings_there",
            Self::NotText { .. } => "not_text",
            Self::NoTemporary { .. } => "no_temporary",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Common(error) => error.hint(),
            Self::NothingFits { .. } | Self::Outdated { .. } | Self::SettingsThere { .. } => None,
            Self::Glob { .. } => Some("quote it as in '*.rs', and close every bracket".to_owned()),
            Self::EmptyGlob { .. } => {
                Some("leave the flag out, or name files; '*' is all of them".to_owned())
            }
            Self::Settings { .. } => {
                Some("`context-pack init` writes a file with every key".to_owned())
            }
            Self::NothingListed { .. } => Some(
                "list files under the packed path by names that are right from the working directory"
                    .to_owned(),
            ),
            Self::NoAgent { known, .. } if known.is_empty() => {
                Some("an agent has the folder agents/NAME under the packed path".to_owned())
            }
            Self::NoAgent { known, .. } => {
                Some(format!("the agents here are {}", known.join(", ")))
            }
            Self::NoGit { .. } => Some("install git, or see that PATH names its folder".to_owned()),
            Self::NoRevision { .. } => {
                Some("name a commit, branch or tag of the packed repository".to_owned())
            }
            Self::NothingToCompare | Self::NotComparable { .. } => {
                Some("name with -o the file that an earlier pack wrote".to_owned())
            }
            Self::SameFile { .. } => Some("name two files".to_owned()),
            Self::NotPackable { .. } => Some("name a directory or a file".to_owned()),
            Self::Bare { path } => {
                Some(format!("make a work tree of it: git clone {} DIRECTORY", path.display()))
            }
            Self::NotText { .. } => Some("name a text file".to_owned()),
            Self::NoTemporary { .. } => {
                Some("set TMPDIR to a folder that can be written and has room".to_owned())
            }
        }
    }
}
