//! Connecting to PostgreSQL: from a URL, as users of libpq write it, to a connection that never hangs.
//!
//! It knows no table and no statement of ours. What it reads: the URL, a service file, the environment, a
//! password file, certificates. What it never does: print a password, or wait without a bound.
//!
//! # Blocking
//!
//! The tools are synchronous. The client of the protocol is not, so each [`Client`] has a current-thread runtime
//! of tokio for itself, as the `postgres` crate has; no thread is started but for looking up a name. That crate
//! is not used because its calls cannot be given a bound.
//!
//! # Secrets
//!
//! A password is wiped when its [`Server`] is dropped. [`Server::label`] is what may be shown.

mod client;
mod connect;
mod create;
#[cfg(fuzzing)]
pub mod fuzzing;
mod host;
mod keyword;
mod passfile;
mod password;
mod refuse;
pub mod scratch;
mod security;
mod server;
mod service;
mod session;
mod settings;
mod socket;
mod surroundings;
mod text;
mod tls;
mod transient;
mod url;
pub(crate) mod value;
mod wrong;

pub use tokio_postgres::{Error, Row, SimpleQueryMessage, error, types};

pub use self::client::Client;
pub use self::refuse::ConnectError;
pub use self::server::Server;
pub use self::session::Session;
pub use self::settings::Source;
pub use self::transient::{is_transient, may_have_committed};
pub use self::wrong::ServerError;
