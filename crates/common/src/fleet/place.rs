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
    /// A URL of another kind, one that does not name a server as libpq would understand it, or what is neither a
    /// URL nor meant as a file.
    pub fn of(text: &Path) -> Result<Self, Error> {
        #[cfg(feature = "postgres")]
        if let Some(url) = text.to_str().filter(|text| Server::is_url(text)) {
            return Self::of_server(url);
        }
        let lossy = text.to_string_lossy();
        if names_server_wrongly(&lossy) {
            return Err(Error::NotAUrl);
        }
        match lossy.split_once("://") {
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

/// Whether `text`, which is no URL of a server, was meant to name one: as libpq's `name=value`, or with a slip in
/// the scheme. A file of such a name would have a password in it.
fn names_server_wrongly(text: &str) -> bool {
    let is_keyword = |(name, _): (&str, &str)| KEYWORDS.contains(&name.trim());
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.trim().to_ascii_lowercase());
    text.split_once('=').is_some_and(is_keyword)
        || scheme.is_some_and(|scheme| matches!(scheme.as_str(), "postgres" | "postgresql"))
}

/// What a connection string of libpq begins with.
const KEYWORDS: [&str; 9] =
    ["host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "sslmode"];

/// The default place of the fleet database, by the home directory alone.
pub fn default_path() -> Result<PathBuf, Error> {
    place::in_home(".local/state/agent-state/state.db")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_as_a_server_is_no_file_and_its_password_is_not_repeated() {
        for wrong in [
            "host=h user=pw password=s3cret",
            "service = nosvc",
            "password=s3cret",
            "postgres:/pw:s3cret@h/x",
            "postgresql:pw:s3cret@h",
            "POSTGRES://pw:s3cret@h/x",
            " postgres://pw:s3cret@h/x",
        ] {
            let error = Place::of(Path::new(wrong)).err().expect(wrong);
            assert!(matches!(error, Error::NotAUrl), "{wrong}: {error:?}");
            assert!(!format!("{error:?} {error}").contains("s3cret"));
        }
        for file in ["/x/host=h", "./host=h", "hosts=x", "a:b", "postgres", "postgres.db"] {
            let place = Place::of(Path::new(file)).expect(file);
            assert_eq!(place.file(), Some(Path::new(file)));
        }
    }

    #[test]
    fn a_scheme_that_nobody_opens_is_named_without_the_rest() {
        let error = Place::of(Path::new("postgress://pw:s3cret@h/x")).err().expect("an error");
        assert!(error.to_string().contains("postgress:"), "{error}");
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }
}
