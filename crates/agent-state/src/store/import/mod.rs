//! Takes the database of the Python tool over, in both of its layouts, once or again.
//!
//! The source is only read. A row that was taken before is recognized by what it says, so nothing is taken
//! twice; a value or a run that has moved on in the source since then moves on here.

mod rows;
mod source;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use common::clock::Timestamp;
use common::fleet::agents::{self, Agent, AgentId, AgentType, Registration};
use common::fleet::events::Event;
use common::fleet::liveness::Here;
use common::name::Name;
use common::sql::{self, Connection};
use serde::Serialize;
use serde_json::json;

use super::Stop;
use source::Record;
pub(crate) use source::Source;

/// How long a run of the Python tool counts as running; the tool itself cleans up after a day.
const LEASE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a "working on" of the Python tool counts; there it never ends.
const WORKING_ON: Duration = Duration::from_secs(30 * 60);

/// What became of the rows of one table.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Count {
    /// Rows in the source.
    pub(crate) rows: u64,
    /// Rows that are new here.
    pub(crate) imported: u64,
    /// Rows that were here and have moved on.
    pub(crate) updated: u64,
    /// Rows that were here already.
    pub(crate) present: u64,
    /// Rows that say nothing any more, or cannot be understood.
    pub(crate) skipped: u64,
}

/// What became of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Imported,
    Updated,
    Present,
    Skipped,
}

impl Count {
    fn add(&mut self, fate: Fate) {
        self.rows += 1;
        let field = match fate {
            Fate::Imported => &mut self.imported,
            Fate::Updated => &mut self.updated,
            Fate::Present => &mut self.present,
            Fate::Skipped => &mut self.skipped,
        };
        *field += 1;
    }
}

/// Takes all tables over, in one transaction of the caller. Returns the counts by table of the source.
pub(crate) fn take(
    tx: &Connection,
    source: &Source,
    here: &Here,
    now: Timestamp,
) -> Result<Vec<(&'static str, Count)>, Stop> {
    let mut importer = Importer { tx, here, now, agents: HashMap::new() };
    let mut counts = Vec::new();
    for table in source::TABLES {
        let Some(records) = source.records(table)? else { continue };
        let mut count = Count::default();
        for record in &records {
            count.add(importer.record(table, record)?);
        }
        counts.push((table, count));
    }
    Event::of("import", source.name()).append(tx, &json!(counts), now)?;
    Ok(counts)
}

/// Takes rows over that come from no database, each with the name of its table. Returns how many were new.
#[cfg(any(test, fuzzing))]
pub(crate) fn take_rows(
    tx: &Connection,
    rows: Vec<(String, HashMap<String, common::sql::Value>)>,
    here: &Here,
    now: Timestamp,
) -> Result<u64, Stop> {
    let mut importer = Importer { tx, here, now, agents: HashMap::new() };
    let mut count = Count::default();
    for (table, fields) in rows {
        count.add(importer.record(&table, &Record::of(fields))?);
    }
    Ok(count.imported)
}

/// Opens the source for reading.
pub(crate) fn open(path: &Path) -> anyhow::Result<Source> {
    Source::open(path)
}

struct Importer<'a> {
    tx: &'a Connection,
    here: &'a Here,
    now: Timestamp,
    /// Agents by the id that they have in the source.
    agents: HashMap<String, Agent>,
}

impl Importer<'_> {
    fn record(&mut self, table: &str, record: &Record) -> Result<Fate, Stop> {
        let fate = match table {
            "agents" => self.agent(record)?,
            "runs" | "sessions" => self.run(record)?,
            "state_kv" | "state" => self.value(record)?,
            "locks" => self.lock(record)?,
            "coordination" => self.post(record)?,
            "journal" => self.entry(record)?,
            _ => None,
        };
        Ok(fate.unwrap_or(Fate::Skipped))
    }

    /// An agent keeps its id, unless its name is known here: then it is the agent of that name.
    fn agent(&mut self, record: &Record) -> Result<Option<Fate>, Stop> {
        let Some(id) = record.text(&["agent_id"]) else { return Ok(None) };
        let Some(name) = record.text(&["name"]).and_then(|name| name.parse::<Name>().ok()) else {
            return Ok(None);
        };
        let (agent, fate) = match agents::find(self.tx, name.as_str())? {
            Some(agent) if agent.name == name.as_str() => (agent, Fate::Present),
            // Its name is the id of another agent, who would be named by it no longer.
            Some(_) => return Ok(None),
            None => (self.register(&id, &name, record)?, Fate::Imported),
        };
        self.agents.insert(id, agent);
        Ok(Some(fate))
    }

    fn register(&self, id: &str, name: &Name, record: &Record) -> sql::Result<Agent> {
        let registration = Registration {
            agent_type: Some(match record.text(&["type"]).as_deref() {
                Some("cron") => AgentType::Cron,
                Some("delegated") => AgentType::Delegated,
                _ => AgentType::Interactive,
            }),
            cron_job_id: record.text(&["cron_job_id"]),
            metadata: record
                .text(&["metadata_json", "metadata"])
                .and_then(|text| serde_json::from_str(&text).ok())
                .filter(serde_json::Value::is_object),
        };
        let created_at = record.moment(&["created_at"]).unwrap_or(self.now);
        let seen_at = record.moment(&["last_seen_at", "last_active_at"]).unwrap_or(created_at);
        agents::register(self.tx, name.as_str(), &registration, self.now)?;
        self.tx.send(
            "UPDATE agents SET created_at = ?2, last_seen_at = ?3 WHERE name = ?1",
            sql::params![name.as_str(), created_at, seen_at],
        )?;
        if id.parse::<Name>().is_ok() && agents::find(self.tx, id)?.is_none() {
            self.tx.send("UPDATE agents SET id = ?2 WHERE name = ?1", [name.as_str(), id])?;
        }
        agents::find(self.tx, name.as_str())?.ok_or(sql::Error::NoRow)
    }

    /// The agent of a row. The Python tool lets rows name agents that are not there: those get their id as
    /// their name.
    fn agent_of(&mut self, record: &Record) -> sql::Result<Option<AgentId>> {
        let Some(id) = record.text(&["agent_id"]) else { return Ok(None) };
        if let Some(agent) = self.agents.get(&id) {
            return Ok(Some(agent.agent_id.clone()));
        }
        let Ok(name) = id.parse::<Name>() else { return Ok(None) };
        let agent = match agents::find(self.tx, &id)? {
            Some(agent) => agent,
            None => agents::register(self.tx, name.as_str(), &Registration::default(), self.now)?.0,
        };
        let agent_id = agent.agent_id.clone();
        self.agents.insert(id, agent);
        Ok(Some(agent_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::sql::Value;

    #[test]
    fn a_version_at_the_end_of_all_numbers_leaves_room_for_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = common::fleet::open_for_test(folder.path()).unwrap();
        let row = |at: &str| {
            let fields = [
                ("agent_id", Value::Text("a".to_owned())),
                ("key", Value::Text("k".to_owned())),
                ("value", Value::Text("1".to_owned())),
                ("version", Value::Integer(i64::MAX)),
                ("updated_at", Value::Text(at.to_owned())),
            ];
            let fields = fields.map(|(column, value)| (column.to_owned(), value)).into();
            ("state".to_owned(), fields)
        };
        let rows = vec![row("2026-01-01T00:00:00"), row("2026-01-02T00:00:00")];
        let newest: i64 = database
            .write("import rows into", |tx| {
                take_rows(tx, rows, &Here::now(), Timestamp(0)).unwrap();
                tx.query_row("SELECT max(version) FROM state", [], |row| row.get(0))
            })
            .unwrap();
        assert_eq!(newest, (1 << 53) + 1);
    }
}
