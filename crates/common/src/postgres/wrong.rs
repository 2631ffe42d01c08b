//! What can be wrong with the description of a server, before anybody connects.
//!
//! Nothing that was written in the URL is repeated here but the names of parameters: any other part can be a
//! piece of a password with a character that should have been encoded.

use std::io;
use std::path::PathBuf;

use super::settings::Source;
use crate::exit::Exit;
use crate::place;
use crate::report::Explain;

/// Why a URL, with the service file and the environment, names no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The URL has not the form of one.
    #[error("the URL of the database is wrong: {what}")]
    Url {
        /// What is wrong.
        what: &'static str,
    },
    /// Nobody knows such a parameter.
    #[error("{source_} has an unknown parameter{}", named(.name.as_deref()))]
    Unknown {
        /// The name, unless it may be part of a password.
        name: Option<String>,
        /// Where it was found.
        source_: Source,
    },
    /// libpq knows the parameter, and this program does not do what it asks for.
    #[error("{source_} sets {name}, which this program does not support")]
    Unsupported {
        /// The parameter.
        name: &'static str,
        /// Where it was found.
        source_: Source,
    },
    /// A parameter has a value that means nothing.
    #[error("{source_} has a wrong {name}: it is {expected}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What it can be.
        expected: &'static str,
        /// Where it was found.
        source_: Source,
    },
    /// No service file defines the service.
    #[error("no service {service:?} is defined in {}", files(.looked_in))]
    NoService {
        /// Its name.
        service: String,
        /// The files that were read.
        looked_in: Vec<PathBuf>,
    },
    /// A line of a service file cannot be read.
    #[error("line {line} of the service file {} is wrong: {what}", .path.display())]
    ServiceLine {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A file that was named cannot be used.
    #[error("cannot read {what} {}", .path.display())]
    File {
        /// What the file is, as in "cannot read WHAT PATH".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// Parameters do not fit each other.
    #[error("the parameters of the database contradict each other: {what}")]
    Contradiction {
        /// How.
        what: &'static str,
    },
}

fn named(name: Option<&str>) -> String {
    name.map(|name| format!(" {name}")).unwrap_or_default()
}

fn files(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| place::for_people(path)).collect();
    paths.join(" or ")
}

impl Explain for ServerError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Url { .. } => "url",
            Self::Unknown { .. }
            | Self::Unsupported { .. }
            | Self::Value { .. }
            | Self::Contradiction { .. } => "parameter",
            Self::NoService { .. } | Self::ServiceLine { .. } => "service",
            Self::File { .. } => "file",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Url { .. } => {
                "write postgres://user@host:5432/dbname, with %40 for @, %2F for / and %3A for : inside a part"
            }
            Self::Unknown { .. } => {
                "parameters have libpq's names: sslmode, sslrootcert, connect_timeout, target_session_attrs, application_name"
            }
            Self::Unsupported { .. } => {
                "take it out of there, if the connection is safe without it"
            }
            Self::NoService { .. } => {
                "define it there as a section in brackets, or name another file with PGSERVICEFILE"
            }
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check that the path is right; sslrootcert=system trusts what this machine trusts"
            }
            Self::File { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "check the owner and the mode of the path"
            }
            Self::Value { .. }
            | Self::ServiceLine { .. }
            | Self::File { .. }
            | Self::Contradiction { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
