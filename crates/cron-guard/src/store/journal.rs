//! What the guard reads from the journal beyond the shared queries.

use std::collections::HashMap;

use rusqlite::Connection;

/// The newest run of every job that has runs.
///
/// One seek a job: a plain DISTINCT would read a million index entries.
pub(crate) fn newest_runs(connection: &Connection) -> rusqlite::Result<HashMap<String, String>> {
    let mut next = connection.prepare("SELECT min(job) FROM runs WHERE job > ?1")?;
    let mut newest = connection.prepare("SELECT max(id) FROM runs WHERE job = ?1")?;
    let mut runs = HashMap::new();
    // The empty name is not a name, so every name sorts behind it.
    let mut name = String::new();
    loop {
        let found: Option<String> = next.query_row([&name], |row| row.get(0))?;
        let Some(found) = found else { return Ok(runs) };
        name.clone_from(&found);
        if let Some(run) = newest.query_row([&found], |row| row.get(0))? {
            runs.insert(found, run);
        }
    }
}
