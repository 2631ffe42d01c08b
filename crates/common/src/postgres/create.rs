//! The tables on the server: looked for with each session, made or migrated by the first who misses them.

use tokio_postgres::error::SqlState;

use super::session::{NOW, Session, follow_clock};
use super::text;
use crate::error::Error;
use crate::fleet::{ON_SERVER, SCHEMA};
use crate::sql::{self, Connection, params};

/// Sees to it that the tables are those of this release, and sets the clock.
pub(super) fn prepare(session: &Session) -> Result<(), Error> {
    let known = i64::try_from(ON_SERVER.len()).unwrap_or(i64::MAX);
    let found = session.batch(&format!("{NOW}, application_id, version FROM fleet_schema"));
    let found = match found {
        Ok(row) => {
            follow_clock(&row);
            row.get(2).and_then(|version| version.parse().ok()).unwrap_or(0)
        }
        Err(error) if error.has_state(&SqlState::UNDEFINED_TABLE) => 0,
        Err(error) => return Err(session.error("open", error)),
    };
    if found == known {
        return Ok(());
    }
    if found > known {
        return Err(Error::Newer { path: session.name().into(), found, known });
    }
    match session.transact_unmarked(|tx| migrate(session, tx, known)) {
        Err(error) if error.has_state(&SqlState::DUPLICATE_TABLE) => {
            Err(Error::Foreign { path: session.name().into() })
        }
        result => result.map_err(|error| session.error("migrate", error)),
    }
}

/// Applies what is missing, as found by whoever is the one writer now.
fn migrate(session: &Session, tx: &Connection, known: i64) -> sql::Result<()> {
    tx.execute(
        "CREATE TABLE IF NOT EXISTS fleet_schema (application_id BIGINT NOT NULL, version BIGINT NOT NULL)",
        [],
    )?;
    tx.execute("CREATE TABLE IF NOT EXISTS fleet_commits (token TEXT PRIMARY KEY)", [])?;
    let found: Option<i64> =
        tx.query_row("SELECT max(version) FROM fleet_schema", [], |row| row.get(0))?;
    let found = usize::try_from(found.unwrap_or(0)).unwrap_or(0);
    for [ours, theirs] in ON_SERVER.iter().skip(found) {
        session.batch(&text::schema(ours))?;
        session.batch(theirs)?;
    }
    tx.execute("DELETE FROM fleet_schema", [])?;
    tx.execute(
        "INSERT INTO fleet_schema (application_id, version) VALUES (?1, ?2)",
        params![SCHEMA.application_id, known],
    )?;
    Ok(())
}
