//! The fleet database, open: a file of SQLite or a server of PostgreSQL, which no store needs to tell apart.
//!
//! It knows how a read and a write begin and end. What they do is a store's, and who has the database is decided
//! by its [`Place`].

use std::path::Path;
#[cfg(feature = "postgres")]
use std::sync::Arc;
use std::time::Duration;

use super::SCHEMA;
use super::place::Place;
use crate::error::Error;
#[cfg(feature = "postgres")]
use crate::postgres::Session;
use crate::sql::{Connection, Result};
use crate::sqlite;

/// An open fleet database.
pub struct Database {
    place: Place,
    engine: Engine,
}

enum Engine {
    File(sqlite::Database),
    #[cfg(feature = "postgres")]
    Server(Session),
}

impl Database {
    /// Opens for reading and writing; creates and migrates what is absent.
    pub fn open(place: Place, busy_timeout: Duration) -> std::result::Result<Self, Error> {
        let engine = match &place {
            Place::File(path) => Engine::File(sqlite::Database::open(path, &SCHEMA, busy_timeout)?),
            #[cfg(feature = "postgres")]
            Place::Server(at) => {
                // Where tools keep what they know of it, for the day on which it cannot be reached; without a
                // place for that, the database itself is as good.
                if let Some(folder) = place.local().parent() {
                    let _ = crate::place::private_dir(folder);
                }
                Engine::Server(Session::open(Arc::clone(&at.server), busy_timeout)?)
            }
        };
        Ok(Self { place, engine })
    }

    /// Opens for reading only, also on a read-only file system; what is absent is created first.
    pub fn open_read_only(
        place: Place,
        busy_timeout: Duration,
    ) -> std::result::Result<Self, Error> {
        let engine = match &place {
            Place::File(path) => {
                Engine::File(sqlite::Database::open_read_only(path, &SCHEMA, busy_timeout)?)
            }
            #[cfg(feature = "postgres")]
            Place::Server(_) => return Self::open(place, busy_timeout),
        };
        Ok(Self { place, engine })
    }

    /// Changes how long this thread waits for another's write.
    pub fn wait_up_to(&self, busy_timeout: Duration) {
        match &self.engine {
            Engine::File(file) => file.wait_up_to(busy_timeout),
            #[cfg(feature = "postgres")]
            Engine::Server(session) => session.wait_up_to(busy_timeout),
        }
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The file, for what only a file needs, as a backup.
    pub fn file(&self) -> Option<&sqlite::Database> {
        match &self.engine {
            Engine::File(file) => Some(file),
            #[cfg(feature = "postgres")]
            Engine::Server(_) => None,
        }
    }

    /// What is wrong with the database as such; nothing when it is whole. A server looks after its own.
    pub fn damage(&self) -> std::result::Result<Vec<String>, Error> {
        self.file().map_or_else(|| Ok(Vec::new()), sqlite::Database::damage)
    }

    /// The engine and its version.
    pub fn engine(&self) -> std::result::Result<String, Error> {
        match &self.engine {
            Engine::File(_) => Ok(format!("SQLite {}", rusqlite::version())),
            #[cfg(feature = "postgres")]
            Engine::Server(session) => Ok(format!("PostgreSQL {}", session.version()?)),
        }
    }

    /// The path or the address, for people.
    pub fn name(&self) -> &Path {
        self.place.name()
    }

    /// Reads; `doing` completes "cannot … the database NAME" when that fails.
    pub fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection) -> Result<T>,
    ) -> std::result::Result<T, Error> {
        match &self.engine {
            Engine::File(file) => file.read(doing, |connection| of_a_file(connection, query)),
            #[cfg(feature = "postgres")]
            Engine::Server(session) => session.read(doing, query),
        }
    }

    /// Checks and writes in one transaction, beside which no other writes. What `change` returns is
    /// committed, "no" included.
    pub fn write<T>(
        &mut self,
        doing: &'static str,
        change: impl FnOnce(&Connection) -> Result<T>,
    ) -> std::result::Result<T, Error> {
        match &mut self.engine {
            Engine::File(file) => file.write(doing, |tx| of_a_file(tx, change)),
            #[cfg(feature = "postgres")]
            Engine::Server(session) => session.write(doing, change),
        }
    }

    /// As [`Database::write`], without waiting for the disk: for what is repeated or told again, as a
    /// heartbeat or the start of a run. It survives the death of every process, not a power cut.
    pub fn write_relaxed<T>(
        &mut self,
        doing: &'static str,
        change: impl FnOnce(&Connection) -> Result<T>,
    ) -> std::result::Result<T, Error> {
        match &mut self.engine {
            Engine::File(file) => file.write_relaxed(doing, |tx| of_a_file(tx, change)),
            #[cfg(feature = "postgres")]
            // A server that does not wait for its disk forgets what it said when it crashes, not only in a power cut.
            Engine::Server(session) => session.write(doing, change),
        }
    }
}

/// Does `work` with the connection to a file, whose errors are all of SQLite.
fn of_a_file<T>(
    connection: &rusqlite::Connection,
    work: impl FnOnce(&Connection) -> Result<T>,
) -> rusqlite::Result<T> {
    work(connection).map_err(crate::sql::Error::of_a_file)
}

#[cfg(test)]
mod tests {
    use crate::fleet::open_for_test;
    use crate::sql::{self, Connection, params};

    const PUT: &str = "INSERT INTO counters (name, value) VALUES (?1, ?2)";

    fn sum(connection: &Connection) -> sql::Result<Option<i64>> {
        connection
            .query_row("SELECT CAST(sum(value) AS BIGINT) FROM counters", [], |row| row.get(0))
    }

    #[test]
    fn what_is_sent_is_there_for_the_next_statement_and_for_others_after_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut fleet = open_for_test(folder.path()).unwrap();
        let within = fleet.write("write to", |tx| {
            for n in 1..=500 {
                tx.send(PUT, params![n.to_string(), n])?;
            }
            let within = sum(tx)?;
            let mut put = tx.prepare(PUT)?;
            put.send(params!["last", 1000])?;
            Ok(within)
        });
        assert_eq!(within.unwrap(), Some(125_250));
        assert_eq!(fleet.read("read", sum).unwrap(), Some(126_250));
    }

    #[test]
    fn what_is_sent_in_vain_fails_the_transaction_as_a_whole_with_the_first_reason() {
        let folder = tempfile::tempdir().unwrap();
        let mut fleet = open_for_test(folder.path()).unwrap();
        let twice = |tx: &Connection| {
            tx.send(PUT, params!["a", 1])?;
            tx.send(PUT, params!["a", 2])?;
            tx.send(PUT, params!["b", 3])
        };
        let at_the_end = fleet.write("write to", twice).unwrap_err();
        let before_a_read = fleet.write("write to", |tx| twice(tx).and_then(|()| sum(tx)));
        for error in [at_the_end, before_a_read.unwrap_err()] {
            let said = format!("{error:?}").to_lowercase();
            assert!(said.contains("unique"), "{said}");
        }
        // Nothing of it goes with what comes after.
        fleet.write("write to", |tx| tx.send(PUT, params!["c", 5])).unwrap();
        assert_eq!(fleet.read("read", sum).unwrap(), Some(5));
    }

    #[test]
    fn what_is_sent_outside_of_a_transaction_is_done_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let fleet = open_for_test(folder.path()).unwrap();
        let read = fleet.read("read", |connection| {
            connection.send(PUT, params!["a", 1])?;
            connection.send(PUT, params!["a", 1])
        });
        assert!(format!("{:?}", read.unwrap_err()).to_lowercase().contains("unique"));
        assert_eq!(fleet.read("read", sum).unwrap(), Some(1));
    }
}
