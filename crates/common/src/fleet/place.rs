//! Where the fleet database is: what `--db` and `AGENT_STATE_DB` name.
//!
//! A path is a file of SQLite. `postgres://…` is a database of a PostgreSQL server; its password is shown nowhere.

use std::path::{Path, PathBuf};
#[cfg(feature = "postgres")]
use std::sync::Arc;

use crate::error::Error;
use crate::place;
#[cfg(feature = "postgres")]
use crate::postgres::Server;

/// Where the fleet database is.
#[derive(Clone)]
pub enum Place {
    /// A file of SQLite.
    File(PathBuf),
    /// A database of a PostgreSQL server.
    #[cfg(feature = "postgres")]
    Server(Box<At>),
}

/// A database of a server, and where this machine keeps what belongs to it.
#[cfg(feature = "postgres")]
#[derive(Clone)]
pub struct At {
    /// The server with all that it takes to connect.
    pub server: Arc<Server>,
    name: PathBuf,
    local: PathBuf,
}

impl Place {
    /// The place that `text` names.
    ///
    /// # Errors
    /// A URL of another kind, or one that does not name a server as libpq would understand it.
    pub fn of(text: &Path) -> Result<Self, Error> {
        #[cfg(feature = "postgres")]
        if let Some(url) = text.to_str().filter(|text| Server::is_url(text)) {
            return Self::of_server(url);
        }
        match text.to_str().and_then(|text| text.split_once("://")) {
            Some((scheme, _)) => Err(Error::Scheme { scheme: scheme.to_owned() }),
            None => Ok(Self::File(text.to_owned())),
        }
    }

    /// Whether `text` is the URL of a server, as far as its form tells.
    pub(super) fn names_server(text: &Path) -> bool {
        #[cfg(feature = "postgres")]
        return text.to_str().is_some_and(Server::is_url);
        #[cfg(not(feature = "postgres"))]
        {
            let _ = text;
            false
        }
    }

    #[cfg(feature = "postgres")]
    fn of_server(url: &str) -> Result<Self, Error> {
        let server = Server::parse(url)?;
        let name = PathBuf::from(server.label());
        let plain = |character: char| {
            if character.is_ascii_alphanumeric() { character } else { '-' }
        };
        let file: String = server.label().chars().map(plain).collect();
        let local = default_path()?.with_file_name(file);
        Ok(Self::Server(Box::new(At { server: Arc::new(server), name, local })))
    }

    /// Whether the text that named it holds a password.
    pub(super) fn has_password(&self) -> bool {
        match self {
            Self::File(_) => false,
            #[cfg(feature = "postgres")]
            Self::Server(at) => at.server.has_password_in_url(),
        }
    }

    /// The path or the address, for people; never a password.
    pub fn name(&self) -> &Path {
        match self {
            Self::File(path) => path,
            #[cfg(feature = "postgres")]
            Self::Server(at) => &at.name,
        }
    }

    /// The path beside which a tool keeps its own files about the database: of the file itself, or one in the
    /// default folder that stands for the server.
    pub fn local(&self) -> &Path {
        match self {
            Self::File(path) => path,
            #[cfg(feature = "postgres")]
            Self::Server(at) => &at.local,
        }
    }

    /// The file; `None` where a server has the database.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            #[cfg(feature = "postgres")]
            Self::Server(_) => None,
        }
    }

    /// Whether there may be something to open; a server is not asked.
    pub fn may_exist(&self) -> bool {
        self.file().is_none_or(Path::exists)
    }
}

/// The default place of the fleet database, by the home directory alone.
pub fn default_path() -> Result<PathBuf, Error> {
    place::in_home(".local/state/agent-state/state.db")
}
