//! A database that a test has for itself, on the server that `AGENT_PLUMBING_TEST_POSTGRES` names.
//!
//! `cargo xtask postgres -- COMMAND` starts such a server and sets the variable. Nothing in the tools uses this.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::client::Client;
use super::server::Server;
use crate::environment;

/// Names the server for tests: a URL of a user who may create databases.
pub const VARIABLE: &str = "AGENT_PLUMBING_TEST_POSTGRES";

const PATIENCE: Duration = Duration::from_secs(60);

/// An empty database, dropped with this value.
#[derive(Debug)]
pub struct Scratch {
    server: String,
    name: String,
}

impl Scratch {
    /// A database on the server of the environment; `None` when it names none.
    ///
    /// # Panics
    ///
    /// When there is a server and it gives no database: then a test has to fail.
    pub fn from_environment() -> Option<Self> {
        environment::text(VARIABLE).map(|server| Self::on(&server))
    }

    /// A database on the server of this URL; which database the URL names does not matter.
    ///
    /// # Panics
    ///
    /// When the server gives none.
    #[expect(clippy::panic, reason = "it stands in a test, which fails here")]
    pub fn on(server: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name =
            format!("scratch_{}_{count}_{}", std::process::id(), uuid::Uuid::now_v7().simple());
        let scratch = Self { server: server.to_owned(), name };
        // The plain template: nobody is connected to it, so that many tests copy it at once.
        let made =
            scratch.maintain(&format!("CREATE DATABASE {} TEMPLATE template0", scratch.name));
        if let Err(error) = made {
            panic!("no database for a test: {error}");
        }
        scratch
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection to it.
    ///
    /// # Panics
    ///
    /// When none comes about.
    #[expect(clippy::panic, reason = "it stands in a test, which fails here")]
    pub fn connect(&self) -> Client {
        let client = Server::parse(&self.url()).map(|server| server.connect(PATIENCE));
        match client {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => panic!("{error}"),
            Err(error) => panic!("{error}"),
        }
    }

    fn maintain(&self, statement: &str) -> Result<(), Box<dyn std::error::Error>> {
        let url = with_database(&self.server, "postgres");
        let mut client = Server::parse(&url)?.connect(PATIENCE)?;
        client.batch_execute(statement).map_err(|error| {
            error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string).into()
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = self.maintain(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// The same URL with another database.
fn with_database(url: &str, database: &str) -> String {
    let (url, query) = match url.split_once('?') {
        Some((url, query)) => (url, format!("?{query}")),
        None => (url, String::new()),
    };
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    format!("{}/{database}{query}", &url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_a_url_is_replaced() {
        for (url, expected) in [
            ("postgres://u@h:1/db", "postgres://u@h:1/new"),
            ("postgres://h", "postgres://h/new"),
            ("postgres:///db?host=/run/pg", "postgres:///new?host=/run/pg"),
        ] {
            assert_eq!(with_database(url, "new"), expected);
        }
    }

    #[test]
    fn a_scratch_database_is_empty_and_goes_with_its_value() {
        let Some(scratch) = Scratch::from_environment() else { return };
        let mut client = scratch.connect();
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        let row = client.query_typed(tables, &[]).unwrap().remove(0);
        assert_eq!(row.get::<_, i64>(0), 0);
        let server = scratch.server.clone();
        let name = scratch.name().to_owned();
        drop(scratch);
        let mut other = Server::parse(&server).unwrap().connect(PATIENCE).unwrap();
        let found = other.query("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).unwrap();
        assert!(found.is_empty());
    }
}
