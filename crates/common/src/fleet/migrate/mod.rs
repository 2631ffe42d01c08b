//! Copies a whole fleet database to another place, and holds the copy against the original, row for row.
//!
//! Both are locked for writing meanwhile, and what fails leaves the target as it was. Whether anybody still works
//! with the original is for the caller to find out.

use super::Database;
use crate::error::Error;
use crate::sql::{self, Connection, ToSql, Value};

/// How many rows are read at once.
const BATCH: usize = 500;

/// Every table with its key, each behind those that it refers to. `run_counts` follows from the runs.
const TABLES: [(&str, &[&str]); 25] = [
    ("agents", &["id"]),
    ("runs", &["id"]),
    ("events", &["id"]),
    ("state", &["agent_id", "key", "version"]),
    ("counters", &["name"]),
    ("locks", &["id"]),
    ("lock_waiters", &["ticket", "resource"]),
    ("file_versions", &["id"]),
    ("actions", &["key"]),
    ("action_approvals", &["key"]),
    ("coordination", &["id"]),
    ("journal", &["id"]),
    ("tasks", &["id"]),
    ("task_texts", &["task_id"]),
    ("task_nodes", &["seq"]),
    ("task_edges", &["node", "after"]),
    ("task_values", &["node"]),
    ("guard_jobs", &["job"]),
    ("guard_transitions", &["id"]),
    ("guard_holds", &["scope"]),
    ("guard_skips", &["job", "kind", "hour"]),
    ("guard_spacing", &["name"]),
    ("guard_alerts", &["id"]),
    ("guard_deliveries", &["alert_id", "channel"]),
    ("guard_facts", &["name"]),
];

/// How a copy ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Copied {
    /// Every row is there: the tables with the numbers of their rows.
    Whole(Vec<(&'static str, u64)>),
    /// The target has rows in this table already; nothing was changed.
    NotEmpty(&'static str),
    /// The copy of this table differed from the original, and was undone.
    Differs(&'static str),
}

/// Copies everything from one database to another, which must be empty.
///
/// # Errors
/// Those of either database; the target is as it was then.
pub fn copy(from: &mut Database, to: &mut Database) -> Result<Copied, Error> {
    // Undoing a whole transaction needs an error, and this one says nothing.
    let undo = |copied: Copied, undone: &mut Option<Copied>| {
        *undone = Some(copied);
        Err(sql::Error::NoRow)
    };
    let mut undone = None;
    let copied = from.write("read", |source| {
        Ok(to.write("copy into", |target| {
            if let Some(table) = first_with_rows(target)? {
                return undo(Copied::NotEmpty(table), &mut undone);
            }
            let mut counts = Vec::new();
            for (table, key) in TABLES {
                counts.push((table, copy_table(source, target, table, key)?));
            }
            for (table, key) in TABLES.into_iter().chain([("run_counts", &["status"][..])]) {
                if !is_same(source, target, table, key)? {
                    return undo(Copied::Differs(table), &mut undone);
                }
            }
            target.number_on()?;
            Ok(Copied::Whole(counts))
        }))
    })?;
    match undone {
        Some(copied) => Ok(copied),
        None => copied,
    }
}

fn first_with_rows(target: &Connection) -> sql::Result<Option<&'static str>> {
    for (table, key) in TABLES {
        if !Rows::of(table, key).next(target)?.is_empty() {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

fn copy_table(
    source: &Connection,
    target: &Connection,
    table: &'static str,
    key: &'static [&'static str],
) -> sql::Result<u64> {
    let mut rows = Rows::of(table, key);
    let mut n_rows = 0;
    loop {
        let batch = rows.next(source)?;
        if batch.is_empty() {
            return Ok(n_rows);
        }
        let places: Vec<String> = (1..=rows.columns.len()).map(|n| format!("?{n}")).collect();
        let mut insert = target.prepare(&format!(
            "INSERT INTO {table} ({}) VALUES ({})",
            rows.columns.join(", "),
            places.join(", ")
        ))?;
        for row in &batch {
            insert.send(values(row).as_slice())?;
            n_rows += 1;
        }
    }
}

fn is_same(
    source: &Connection,
    target: &Connection,
    table: &'static str,
    key: &'static [&'static str],
) -> sql::Result<bool> {
    let (mut ours, mut theirs) = (Rows::of(table, key), Rows::of(table, key));
    loop {
        let (one, other) = (ours.next(source)?, theirs.next(target)?);
        if one.len() != other.len() || !one.iter().flatten().eq_by_content(other.iter().flatten()) {
            return Ok(false);
        }
        if one.is_empty() {
            return Ok(true);
        }
    }
}

/// Compares values, where a text of one engine may lack what the other cannot hold.
trait EqByContent<'a>: Iterator<Item = &'a Value> + Sized {
    fn eq_by_content(mut self, mut other: impl Iterator<Item = &'a Value>) -> bool {
        loop {
            match (self.next(), other.next()) {
                (None, None) => return true,
                (Some(Value::Text(one)), Some(Value::Text(two)))
                    if one.replace('\0', "\u{2400}") == two.replace('\0', "\u{2400}") => {}
                (Some(one), Some(two)) if one == two => {}
                _ => return false,
            }
        }
    }
}

impl<'a, I: Iterator<Item = &'a Value>> EqByContent<'a> for I {}

fn values(row: &[Value]) -> Vec<&dyn ToSql> {
    row.iter().map(|value| value as &dyn ToSql).collect()
}

/// The rows of a table in the order of its key, some at a time.
struct Rows {
    table: &'static str,
    key: &'static [&'static str],
    columns: Vec<String>,
    /// The key of the row that came last.
    last: Vec<Value>,
}

impl Rows {
    fn of(table: &'static str, key: &'static [&'static str]) -> Self {
        Self { table, key, columns: Vec::new(), last: Vec::new() }
    }

    /// The next rows; none behind the last one.
    fn next(&mut self, connection: &Connection) -> sql::Result<Vec<Vec<Value>>> {
        let key = self.key.join(", ");
        let after = if self.last.is_empty() {
            String::new()
        } else {
            let places: Vec<String> = (1..=self.key.len()).map(|n| format!("?{n}")).collect();
            format!("WHERE ({key}) > ({})", places.join(", "))
        };
        let mut statement = connection.prepare(&format!(
            "SELECT * FROM {} {after} ORDER BY {key} LIMIT {BATCH}",
            self.table
        ))?;
        let mut rows = statement.query(values(&self.last).as_slice())?;
        let mut batch = Vec::new();
        while let Some(row) = rows.next()? {
            if self.columns.is_empty() {
                self.columns = row.columns();
            }
            let row: Vec<Value> = (0..self.columns.len())
                .map(|column| row.get(column))
                .collect::<sql::Result<_>>()?;
            batch.push(row);
        }
        if let Some(row) = batch.last() {
            let of_key = |name: &&str| self.columns.iter().position(|column| column == name);
            self.last = self.key.iter().filter_map(of_key).map(|at| row[at].clone()).collect();
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests;
