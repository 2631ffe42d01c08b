//! Why no connection came about: which host said what, whether waiting can help, and the next step.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::security::Roots;
use super::transient;
use super::wrong::ServerError;
use crate::exit::Exit;
use crate::place;
use crate::report::Explain;

/// No host of a server gave a usable connection.
pub struct ConnectError {
    pub(super) label: String,
    pub(super) attempts: Vec<Attempt>,
    /// A password file that was passed over because others may read it.
    pub(super) loose_passfile: Option<PathBuf>,
}

/// What came of one host.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) host: String,
    pub(super) reason: Reason,
}

/// Why a host gave no usable connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Reason {
    #[error("its name cannot be looked up: {}", lookup(.0))]
    Name(io::Error),
    #[error("{}", plain(.0))]
    Io(io::Error),
    #[error("no answer in {}", crate::duration::human(*.0))]
    Timeout(Duration),
    #[error("no time was left to try it")]
    NoTime,
    #[error("{message}")]
    Server { state: SqlState, message: String },
    #[error("it asks for a password, and none is known")]
    NoPassword,
    #[error("it does not offer TLS")]
    NoTls,
    #[error("TLS failed: {what}")]
    Tls { what: String, roots: Roots },
    #[error("it {0}")]
    Role(&'static str),
    #[error("{}", with_cause(.0))]
    Wrong(#[from] ServerError),
    #[error("the password exchange failed: {0}")]
    Authentication(String),
    #[error("it does not speak as a PostgreSQL server does: {0}")]
    Protocol(String),
}

/// What a connection says that ends without a word.
const CLOSED: &str = "it closed the connection";

/// The answer of the system without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

fn with_cause(error: &ServerError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn lookup(error: &io::Error) -> String {
    let text = plain(error);
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_owned()
}

impl Reason {
    /// What an error of the client of the protocol says.
    pub(super) fn of(error: &Error, roots: &Roots) -> Self {
        use std::error::Error as _;
        if let Some(answer) = error.as_db_error() {
            let message = answer.message().to_owned();
            return Self::Server { state: answer.code().clone(), message };
        }
        let Some(source) = error.source() else {
            return if error.is_closed() {
                Self::Io(io::Error::new(io::ErrorKind::UnexpectedEof, CLOSED))
            } else {
                Self::Protocol(error.to_string())
            };
        };
        let what = source.to_string();
        // The kind of such an error is private, its text is not.
        match error.to_string().as_str() {
            "error performing TLS handshake" if what == "server does not support TLS" => {
                Self::NoTls
            }
            "error performing TLS handshake" => Self::Tls { what, roots: roots.clone() },
            "invalid configuration" if what == "password missing" => Self::NoPassword,
            "authentication error" => Self::Authentication(what),
            _ => match source.downcast_ref::<io::Error>() {
                Some(lost) if transient::is_of_the_wire(lost) => Self::Io(match lost.kind() {
                    io::ErrorKind::UnexpectedEof => io::Error::new(lost.kind(), CLOSED),
                    kind => lost
                        .raw_os_error()
                        .map_or_else(|| kind.into(), io::Error::from_raw_os_error),
                }),
                _ => Self::Protocol(what),
            },
        }
    }

    /// Whether trying again later can help.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Name(error) => {
                // The standard library keeps only the text of the resolver's answer.
                let text = error.to_string().to_lowercase();
                error.raw_os_error().is_some()
                    || text.contains("temporary failure")
                    || text.contains("try again")
            }
            Self::Io(error) => error.kind() != io::ErrorKind::PermissionDenied,
            Self::Timeout(_) | Self::NoTime | Self::Role(_) => true,
            Self::Server { state, message } => {
                transient::passes(state) && !(state.code() == "08P01" && is_final(message))
            }
            Self::NoPassword
            | Self::NoTls
            | Self::Tls { .. }
            | Self::Wrong(_)
            | Self::Authentication(_)
            | Self::Protocol(_) => false,
        }
    }

    /// Whether the next host may still be asked. As in libpq, a server that was reached and does not know us
    /// ends the search: the mistake is ours and not the host's.
    pub(super) fn lets_others_try(&self) -> bool {
        self.passes() || matches!(self, Self::Name(_) | Self::Io(_))
    }

    /// Whether it may be otherwise without TLS, or with it: then `sslmode` prefer and allow try that.
    pub(super) fn depends_on_tls(&self) -> bool {
        match self {
            // "No entry in pg_hba.conf for a connection of this kind"; a wrong password is wrong either way.
            Self::Server { state, .. } => state.code() == "28000",
            Self::Tls { .. } | Self::NoTls => true,
            _ => false,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Name(_) if self.passes() => "check this machine's network and name service",
            Self::Name(_) => "check the name of the host",
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                    "check that the server runs and listens there, or run the command again later"
                }
                io::ErrorKind::PermissionDenied => "check who may use the server's socket",
                _ => "check the network between here and the server",
            },
            Self::Timeout(_) | Self::NoTime => {
                "check the network between here and the server, or give it more time with connect_timeout and --busy-timeout"
            }
            Self::Server { state, message } => return server_hint(state, message),
            Self::NoPassword => "put it into ~/.pgpass with mode 0600, or into PGPASSWORD",
            Self::NoTls => {
                "turn TLS on there, or accept a connection that can be read with sslmode=disable"
            }
            Self::Tls { what, roots } => return tls_hint(what, roots),
            Self::Role(_) => {
                "name the host of the primary too, as in postgres://host1,host2/dbname, or wait until one is promoted"
            }
            Self::Wrong(error) => return error.hint(),
            Self::Authentication(_) => {
                "let the user in by scram-sha-256 in the server's pg_hba.conf, and check channel_binding"
            }
            Self::Protocol(_) => "check the port: something else may listen there",
        };
        Some(hint.to_owned())
    }
}

/// PgBouncer gives all its own refusals one code, so that only the text tells.
fn is_final(message: &str) -> bool {
    ["no such database", "no such user", "auth", "not allowed", "SSL required", "unsupported"]
        .iter()
        .any(|part| message.contains(part))
}

fn server_hint(state: &SqlState, message: &str) -> Option<String> {
    let hint = match state.code() {
        "28000" if message.contains("does not exist") => {
            "create the role with createuser, or name another user in the URL"
        }
        "28P01" => "check the user and the password: in ~/.pgpass, PGPASSWORD or the URL",
        "28000" => "let the user and this machine in with a line in the server's pg_hba.conf",
        "3D000" => "create the database with createdb, or name another in the URL",
        "42501" => "grant the user CONNECT on the database",
        "53300" => "raise max_connections, put a pooler in front, or run the command again later",
        "57P03" => "run the command again when the server has started",
        "08P01" if is_final(message) => {
            "check the database, the user and the password in the pooler's settings"
        }
        "22023" | "42704" => "check the options in the URL and the environment",
        code if code.starts_with("53") || code.starts_with("57P") || code.starts_with("08") => {
            "run the command again later"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn tls_hint(what: &str, roots: &Roots) -> Option<String> {
    let hint = match roots {
        _ if what.contains("not valid for") => {
            "name the host as its certificate does; hostaddr can say where it is"
        }
        Roots::File { path, .. } => {
            return Some(format!(
                "check that {} has the authority that signed the server's certificate; sslrootcert=system trusts what this machine trusts",
                place::for_people(path)
            ));
        }
        Roots::System => "name the authority of the server's certificate with sslrootcert=FILE",
        Roots::None => return None,
    };
    Some(hint.to_owned())
}

impl ConnectError {
    /// Whether trying again later can help: exit code 4, not 3.
    pub fn is_transient(&self) -> bool {
        // A host that knows us and refuses has the last word; else one that may come back is enough.
        match self.attempts.iter().find(|attempt| !attempt.reason.lets_others_try()) {
            Some(_) => false,
            None => self.attempts.iter().any(|attempt| attempt.reason.passes()),
        }
    }

    /// The attempt whose remedy is the one to name: the one that ended the search, else the first.
    fn telling(&self) -> Option<&Attempt> {
        self.attempts
            .iter()
            .find(|attempt| !attempt.reason.lets_others_try())
            .or_else(|| self.attempts.iter().find(|attempt| attempt.reason.passes()))
            .or_else(|| self.attempts.first())
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to the database {}: ", self.label)?;
        match self.attempts.as_slice() {
            [] => f.write_str("it has no host"),
            [attempt] => write!(f, "{}", attempt.reason),
            attempts => attempts.iter().enumerate().try_for_each(|(index, attempt)| {
                let between = if index == 0 { "" } else { "; " };
                write!(f, "{between}{}: {}", attempt.host, attempt.reason)
            }),
        }
    }
}

impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectError")
            .field("label", &self.label)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for ConnectError {}

impl Explain for ConnectError {
    fn exit(&self) -> Exit {
        if self.is_transient() { Exit::Again } else { Exit::Failed }
    }

    fn code(&self) -> &'static str {
        if self.is_transient() { "unreachable" } else { "connect" }
    }

    fn hint(&self) -> Option<String> {
        let reason = &self.telling()?.reason;
        let wants_password = matches!(reason, Reason::NoPassword)
            || matches!(reason, Reason::Server { state, .. } if state.code() == "28P01");
        match &self.loose_passfile {
            Some(path) if wants_password => Some(format!(
                "{} is not used: it has to be a file that nobody else may read (chmod 600)",
                place::for_people(path)
            )),
            _ => reason.hint(),
        }
    }
}
