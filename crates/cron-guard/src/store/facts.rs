//! Small facts with a name: when the sweep last ran, how long the machine has slept.

use common::clock::Timestamp;
use common::sql::{self, Connection, OptionalExtension as _, params};

/// The fact `name` and when it was noted.
pub(crate) fn get(connection: &Connection, name: &str) -> sql::Result<Option<(String, Timestamp)>> {
    connection
        .query_row("SELECT value, at FROM guard_facts WHERE name = ?1", [name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}

/// Notes a fact.
pub(crate) fn put(tx: &Connection, name: &str, value: &str, now: Timestamp) -> sql::Result<()> {
    tx.send(
        "INSERT INTO guard_facts (name, value, at) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at",
        params![name, value, now],
    )?;
    Ok(())
}

/// Forgets a fact; returns whether there was one.
pub(crate) fn remove(tx: &Connection, name: &str) -> sql::Result<bool> {
    Ok(tx.execute("DELETE FROM guard_facts WHERE name = ?1", [name])? == 1)
}

/// Fails where nothing can be written; changes nothing.
pub(crate) fn require_writable(tx: &Connection) -> sql::Result<()> {
    // An engine lets a transaction begin that can never write, so it takes a statement that would.
    tx.execute("UPDATE guard_facts SET at = at WHERE 1 = 0", []).map(drop)
}
