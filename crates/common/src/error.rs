//! Errors that any tool can meet, each with its exit code, its stable word and its hint.
//!
//! A variant says what was being done and to what; the hint is separate text. Tools have an enum
//! of their own for what only they can meet.

use std::io;
use std::path::PathBuf;

use crate::exit::Exit;
use crate::report::Explain;

/// A failure of something that the tools share.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither `HOME` nor the password database names a home directory.
    #[error("cannot find the home directory of this user")]
    NoHome,
    /// A file or directory could not be read, made or written.
    #[error("cannot {doing} {}", .path.display())]
    File {
        /// What was being done, as in "cannot … PATH".
        doing: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A command could not be started.
    #[error("cannot run {}", .command.display())]
    Spawn {
        /// The command as it was written.
        command: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The system refused something about processes or signals.
    #[error("cannot {doing}")]
    Process {
        /// What was being done.
        doing: &'static str,
        /// What the system answered.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// A database stayed locked longer than the busy timeout.
    #[cfg(feature = "sqlite")]
    #[error("the database {} is busy", .path.display())]
    Busy {
        /// The database file, or the address of its server.
        path: PathBuf,
        /// What the engine answered.
        source: crate::sql::Error,
    },
    /// A database could not be used.
    #[cfg(feature = "sqlite")]
    #[error("cannot {doing} the database {}", .path.display())]
    Database {
        /// What was being done, as in "cannot … the database PATH".
        doing: &'static str,
        /// The database file.
        path: PathBuf,
        /// What SQLite answered.
        source: rusqlite::Error,
    },
    /// The database was written by a newer release.
    #[cfg(feature = "sqlite")]
    #[error("the database {} has version {found}, and this program knows versions up to {known}", .path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The version that it has.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The file is an SQLite database of another program.
    #[cfg(feature = "sqlite")]
    #[error("{} is a database of another program", .path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// A server did not do what was asked of it.
    #[cfg(feature = "postgres")]
    #[error("cannot {doing} the database {name}")]
    Statement {
        /// What was being done, as in "cannot … the database NAME".
        doing: &'static str,
        /// The address, without its password.
        name: String,
        /// What the server answered, or why it did not.
        source: crate::sql::Error,
    },
    /// The password of a server stands in an argument, where every user of the machine can read it.
    #[cfg(feature = "postgres")]
    #[error(
        "the password of a database must not stand in an argument: every user of this machine can read it there"
    )]
    PasswordInArgument,
    /// The database is named by a URL that this build cannot open.
    #[cfg(feature = "sqlite")]
    #[error("this build opens {OPENS} only, not {scheme}: databases")]
    Scheme {
        /// The part of the URL before the colon; never more of it, for a URL can hold a password.
        scheme: String,
    },
    /// What was meant to name a server is no URL, and would be a strange name of a file.
    #[cfg(feature = "sqlite")]
    #[error("what names the database is neither a file nor the URL of a server")]
    NotAUrl,
    /// A URL, with the service file and the environment, names no server.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Server(#[from] crate::postgres::ServerError),
    /// No host of a server gave a usable connection.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Connect(#[from] crate::postgres::ConnectError),
}

#[cfg(feature = "sqlite")]
impl Error {
    /// Whether a database cannot be used: not a busy one, which can be used in a moment.
    pub fn is_of_database(&self) -> bool {
        match self {
            Self::Database { .. } | Self::Newer { .. } | Self::Foreign { .. } => true,
            #[cfg(feature = "postgres")]
            Self::Statement { .. } | Self::Connect(_) => true,
            _ => false,
        }
    }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Spawn { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Exit::NotFound,
                io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory => {
                    Exit::NotExecutable
                }
                // As coreutils tell it: what is there and cannot be executed is 126, whatever the reason.
                _ if matches!(
                    source.raw_os_error(),
                    Some(libc::ENOEXEC | libc::ENOTDIR | libc::ETXTBSY | libc::E2BIG)
                ) =>
                {
                    Exit::NotExecutable
                }
                _ => Exit::NotStarted,
            },
            Self::NoHome | Self::File { .. } | Self::Process { .. } | Self::Output(_) => {
                Exit::Failed
            }
            #[cfg(feature = "sqlite")]
            Self::Busy { .. } => Exit::Again,
            #[cfg(feature = "postgres")]
            Self::Statement { source, .. } if source.is_transient() => Exit::Again,
            #[cfg(feature = "postgres")]
            Self::Statement { .. } => Exit::Failed,
            #[cfg(feature = "postgres")]
            Self::PasswordInArgument => Exit::Usage,
            #[cfg(feature = "sqlite")]
            Self::NotAUrl => Exit::Usage,
            #[cfg(feature = "sqlite")]
            Self::Database { .. }
            | Self::Newer { .. }
            | Self::Foreign { .. }
            | Self::Scheme { .. } => Exit::Failed,
            #[cfg(feature = "postgres")]
            Self::Server(error) => error.exit(),
            #[cfg(feature = "postgres")]
            Self::Connect(error) => error.exit(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoHome => "no_home",
            Self::File { .. } => "file",
            Self::Spawn { .. } => "spawn",
            Self::Process { .. } => "process",
            Self::Output(_) => "output",
            #[cfg(feature = "sqlite")]
            Self::Busy { .. } => "busy",
            #[cfg(feature = "postgres")]
            Self::Statement { source, .. } if source.is_transient() => "unreachable",
            #[cfg(feature = "postgres")]
            Self::Statement { .. } => "database",
            #[cfg(feature = "postgres")]
            Self::PasswordInArgument => "password_in_argument",
            #[cfg(feature = "sqlite")]
            Self::Database { .. } => "database",
            #[cfg(feature = "sqlite")]
            Self::Newer { .. } => "newer_database",
            #[cfg(feature = "sqlite")]
            Self::Foreign { .. } => "foreign_database",
            #[cfg(feature = "sqlite")]
            Self::Scheme { .. } => "scheme",
            #[cfg(feature = "sqlite")]
            Self::NotAUrl => "not_a_url",
            #[cfg(feature = "postgres")]
            Self::Server(error) => error.code(),
            #[cfg(feature = "postgres")]
            Self::Connect(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoHome => "set HOME to an absolute path",
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => "check the owner and the mode of the path",
                io::ErrorKind::StorageFull => "free some space and run the command again",
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    "check that the path is right"
                }
                io::ErrorKind::IsADirectory => "name a file; this is a directory",
                io::ErrorKind::InvalidFilename => "name a shorter path",
                io::ErrorKind::AlreadyExists => "move away what is there, or name another path",
                io::ErrorKind::ReadOnlyFilesystem => {
                    "name a place that can be written, or make this one writable"
                }
                _ => return None,
            },
            Self::Spawn { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => {
                    "cron's PATH is short: name the command by its absolute path or set PATH in the crontab"
                }
                io::ErrorKind::PermissionDenied => "make the file executable with chmod +x",
                _ => return None,
            },
            Self::Process { .. } | Self::Output(_) => return None,
            #[cfg(feature = "sqlite")]
            Self::Busy { .. } => {
                "another process is writing; run the command again, or give it more time with --busy-timeout"
            }
            #[cfg(feature = "postgres")]
            Self::Statement { source, .. } => return source.hint(),
            #[cfg(feature = "postgres")]
            Self::PasswordInArgument => {
                "put the URL into AGENT_STATE_DB, or the password into ~/.pgpass, mode 0600"
            }
            #[cfg(feature = "sqlite")]
            Self::Database { source, .. } => return crate::sqlite::hint(source),
            #[cfg(feature = "sqlite")]
            Self::Newer { .. } => "install the release that wrote it, or a later one",
            #[cfg(feature = "sqlite")]
            Self::Foreign { .. } => {
                "name another file with --db; a database of the Python agent-state is read by `agent-state import FILE`"
            }
            #[cfg(feature = "sqlite")]
            Self::Scheme { .. } => HOW_TO_NAME,
            #[cfg(feature = "sqlite")]
            Self::NotAUrl => HOW_TO_NAME,
            #[cfg(feature = "postgres")]
            Self::Server(error) => return error.hint(),
            #[cfg(feature = "postgres")]
            Self::Connect(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

/// What this build opens, and how it is named.
#[cfg(all(feature = "sqlite", feature = "postgres"))]
const OPENS: &str = "SQLite files and postgres:";
#[cfg(all(feature = "sqlite", feature = "postgres"))]
const HOW_TO_NAME: &str =
    "name a file, or a server as postgres://USER@HOST/DATABASE; ./NAME is always a file";
#[cfg(all(feature = "sqlite", not(feature = "postgres")))]
const OPENS: &str = "SQLite files";
#[cfg(all(feature = "sqlite", not(feature = "postgres")))]
const HOW_TO_NAME: &str = "name a file with --db; ./NAME is always a file";

/// Adds "cannot DOING PATH" to an I/O error.
pub fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { doing, path, source }
}
