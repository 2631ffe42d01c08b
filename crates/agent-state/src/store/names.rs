//! Names for completions.

use common::sql::{self, Connection, OptionalExtension as _};

/// How many jobs are offered.
const MOST: usize = 500;

/// The names of agents that are not retired.
pub(crate) fn agents(connection: &Connection) -> sql::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM agents WHERE retired_at IS NULL ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// The resources that are locked, or were when somebody last looked.
pub(crate) fn resources(connection: &Connection) -> sql::Result<Vec<String>> {
    connection
        .prepare("SELECT DISTINCT resource FROM locks ORDER BY resource")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// The jobs of the journal: from one to the next by the index, since a million runs have few jobs.
pub(crate) fn jobs(connection: &Connection) -> sql::Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT job FROM runs WHERE job > ?1 ORDER BY job LIMIT 1")?;
    let mut jobs: Vec<String> = Vec::new();
    while jobs.len() < MOST {
        let last = jobs.last().map_or("", String::as_str);
        match statement.query_row([last], |row| row.get(0)).optional()? {
            Some(job) => jobs.push(job),
            None => break,
        }
    }
    Ok(jobs)
}
