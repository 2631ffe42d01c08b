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
    #[error("nothing fits {limit} tokens, so the document is empty")]
    NothingFits {
        /// What the document may have.
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
    /// What should be counted is not text.
    #[error("cannot count {}: it is not text", .path.display())]
    NotText {
        /// The path as it was written.
        path: PathBuf,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Common(error) => error.exit(),
            Self::NothingFits { .. } => Exit::No,
            Self::NotPackable { .. } | Self::Bare { .. } | Self::NotText { .. } => Exit::Failed,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Common(error) => error.code(),
            Self::NothingFits { .. } => "nothing_fits",
            Self::NotPackable { .. } => "not_packable",
            Self::Bare { .. } => "bare_repository",
            Self::NotText { .. } => "not_text",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Common(error) => error.hint(),
            Self::NothingFits { .. } => None,
            Self::NotPackable { .. } => Some("name a directory or a file".to_owned()),
            Self::Bare { path } => {
                Some(format!("make a work tree of it: git clone {} DIRECTORY", path.display()))
            }
            Self::NotText { .. } => Some("name a text file".to_owned()),
        }
    }
}
