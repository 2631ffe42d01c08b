//! The fleet database: one file in which agent-state and cron-guard meet.
//!
//! This module owns the schema of the whole file and the queries on agents, runs and events that both tools
//! need. Each tool owns the SQL of its own tables, in its own `store`.

pub mod agents;
mod database;
pub mod events;
mod for_test;
pub mod liveness;
pub mod migrate;
mod place;
mod remains;
pub mod runs;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{self, Timestamp};
use crate::environment;
use crate::error::Error;
use crate::sqlite::Schema;

pub use database::Database;
pub use for_test::{fresh_on_server, open_for_test};
pub use place::{Place, default_path};

/// The schema of the fleet database. Append only.
pub const SCHEMA: Schema = Schema {
    application_id: 0x4147_5354, // "AGST"
    migrations: &[
        include_str!("schema/001_journal.sql"),
        concat!(
            include_str!("schema/002_agent_state.sql"),
            include_str!("schema/002_run_counts.sqlite.sql")
        ),
        include_str!("schema/003_cron_guard.sql"),
    ],
};

/// The same for a server: each migration with the tables that both engines have, and what is PostgreSQL's own.
#[cfg(feature = "postgres")]
pub(crate) const ON_SERVER: [[&str; 2]; 3] = [
    [include_str!("schema/001_journal.sql"), ""],
    [
        include_str!("schema/002_agent_state.sql"),
        include_str!("schema/002_run_counts.postgres.sql"),
    ],
    [include_str!("schema/003_cron_guard.sql"), ""],
];

/// Which fleet database a command uses.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseArgs {
    /// The fleet database: a file, or postgres://user@host/dbname [default: ~/.local/state/agent-state/state.db]
    #[arg(
        long,
        global = true,
        value_name = "DATABASE",
        env = "AGENT_STATE_DB",
        hide_env_values = true,
        value_parser = crate::cli::path_or("AGENT_STATE_DB"),
        help_heading = "Database"
    )]
    pub db: Option<PathBuf>,
    /// How long to wait while another process writes
    #[arg(long, global = true, value_name = "DURATION", default_value = "5s", value_parser = crate::duration::parse, help_heading = "Database")]
    pub busy_timeout: Duration,
}

impl DatabaseArgs {
    /// What the flags and the home directory name.
    pub fn place(&self) -> Result<Place, Error> {
        match &self.db {
            Some(named) if !named.as_os_str().is_empty() => {
                let place = Place::of(named)?;
                #[cfg(feature = "postgres")]
                if place.has_password()
                    && environment::os("AGENT_STATE_DB").as_deref() != Some(named.as_os_str())
                {
                    return Err(Error::PasswordInArgument);
                }
                Ok(place)
            }
            _ => default_path().map(Place::File),
        }
    }

    /// What was named, as it can be named again in an argument for others to see: never with a password.
    pub fn named(&self) -> Option<PathBuf> {
        let named = self.db.clone().filter(|named| !named.as_os_str().is_empty())?;
        match Place::of(&named) {
            Ok(place) if place.has_password() => Some(place.name().to_owned()),
            // Whoever names it again may stand elsewhere.
            Ok(Place::File(path)) => Some(std::path::absolute(&path).unwrap_or(path)),
            _ => Some(named),
        }
    }

    /// Whether it is a server's, as far as the text tells.
    pub fn names_server(&self) -> bool {
        self.db.as_deref().is_some_and(Place::names_server)
    }

    /// Opens it for reading and writing; creates it where it is absent.
    pub fn open(&self) -> Result<Database, Error> {
        Database::open(self.place()?, self.busy_timeout)
    }

    /// Opens it for reading only; creates it where it is absent.
    pub fn open_read_only(&self) -> Result<Database, Error> {
        Database::open_read_only(self.place()?, self.busy_timeout)
    }
}

/// An id that sorts by the time at which it was made (UUIDv7), by the clock that [`clock::now`] reads; those of one
/// process that were made in the same millisecond sort as they were made.
pub fn new_id() -> String {
    const RANDOM: u128 = (1 << 80) - 1;
    static LAST: Mutex<u128> = Mutex::new(0);
    let random = uuid::Uuid::now_v7().as_u128() & RANDOM;
    let mut id = millis_on_top(clock::now()) | random;
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if id >> 80 == *last >> 80 && id <= *last {
        id = *last + 1;
    }
    *last = id;
    uuid::Uuid::from_u128(id).to_string()
}

/// Every id that is made at `moment` or later sorts behind this text: a bound for reading by time.
pub fn first_id_at(moment: Timestamp) -> String {
    uuid::Uuid::from_u128(millis_on_top(moment)).to_string()
}

fn millis_on_top(moment: Timestamp) -> u128 {
    const MAX: u128 = (1 << 48) - 1;
    u128::try_from(moment.0).unwrap_or(0).min(MAX) << 80
}

/// The id that a thing of this moment has, when `tail` tells it from others of that moment.
///
/// For what comes from elsewhere: it sorts among the others by its time, and the same thing gets the same id.
pub fn id_of(at: crate::clock::Timestamp, tail: &[u8; 10]) -> String {
    let millis = u64::try_from(at.0).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, tail).into_uuid().to_string()
}

/// The run that an outer `exec` opened for this process, from `AGENT_STATE_RUN_ID`.
pub fn outer_run() -> Option<runs::RunId> {
    environment::text(RUN_ID_VARIABLE).map(runs::RunId::from)
}

/// Names the run in the environment of a child.
pub const RUN_ID_VARIABLE: &str = "AGENT_STATE_RUN_ID";
/// Names the job in the environment of a child.
pub const JOB_VARIABLE: &str = "AGENT_STATE_JOB";
/// Names the job in the environment of a command that a guard runs.
pub const GUARD_VARIABLE: &str = "CRON_GUARD_JOB";
/// Names the agent in the environment of a child.
pub const AGENT_VARIABLE: &str = "AGENT_STATE_AGENT";
/// Gives the agent's id in the environment of a child.
pub const AGENT_ID_VARIABLE: &str = "AGENT_STATE_AGENT_ID";

/// Declares an id: text that cannot be confused with another kind of text.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                value.as_str().map(|text| Self(text.to_owned()))
            }
        }
    };
}
pub(crate) use id;

/// Declares an enum that is stored as a word, and read back only from the words that are known.
///
/// The crate that uses it has clap and serde among its own dependencies.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
        pub enum $name { $($(#[$vdoc])* #[value(name = $word)] $variant),+ }

        impl $name {
            /// The word for it, in the database, in JSON and on the command line.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl $crate::sql::ToSql for $name {
            fn to_sql(&self) -> $crate::sql::Given<'_> {
                Ok(self.as_str().into())
            }
        }

        impl $crate::sql::FromSql for $name {
            fn column_result(value: $crate::sql::ValueRef<'_>) -> Result<Self, $crate::sql::FromSqlError> {
                match value.as_str()? {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::sql::FromSqlError::InvalidType),
                }
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_behind_the_bound_of_their_moment() {
        let before = clock::now();
        let id = new_id();
        assert!(id > first_id_at(before), "{id}");
        assert!(id < first_id_at(Timestamp(clock::now().0 + 1)), "{id}");
        assert_eq!(uuid::Uuid::parse_str(&id).map(|id| id.get_version_num()), Ok(7));
    }
    #[test]
    fn ids_that_are_made_in_one_millisecond_sort_as_they_were_made() {
        let ids: Vec<String> = (0..20_000).map(|_| new_id()).collect();
        let in_order = ids.windows(2).all(|pair| pair[0] < pair[1] || !same_moment(pair));
        assert!(in_order);
        assert!(ids.windows(2).filter(|pair| same_moment(pair)).count() > 1000);
    }

    /// Whether two ids are of one millisecond; a test beside this one may set the clock.
    fn same_moment(pair: &[String]) -> bool {
        pair[0].get(..13) == pair[1].get(..13)
    }
}
