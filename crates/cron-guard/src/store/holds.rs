//! Pauses by a person: of a job, of all jobs with a label, of the fleet.

use std::fmt;

use common::clock::Timestamp;
use common::sql::{self, Connection, params};
use serde::{Deserialize, Serialize};

/// What a hold pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    Job(String),
    Label(String),
    All,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(job) => write!(f, "job:{job}"),
            Self::Label(label) => write!(f, "label:{label}"),
            Self::All => f.write_str("all"),
        }
    }
}

/// A pause that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) scope: String,
    pub(crate) reason: String,
    pub(crate) actor: String,
    /// A person at a terminal ordered it, or the guard did: only a person ends it.
    #[serde(default)]
    pub(crate) attended: bool,
}

impl Hold {
    /// Whether it pauses a job with these labels.
    pub(crate) fn concerns(&self, job: &str, labels: &[String]) -> bool {
        self.scope == Scope::All.to_string()
            || self.scope == Scope::Job(job.to_owned()).to_string()
            || labels.iter().any(|label| self.scope == Scope::Label(label.clone()).to_string())
    }

    /// Why a job does not run, with what is held when that is more than the job itself.
    pub(crate) fn in_words(&self) -> String {
        if self.scope.starts_with("job:") {
            format!("held: {}", self.reason)
        } else {
            format!("held ({}): {}", self.scope, self.reason)
        }
    }
}

/// All pauses, the oldest first; there are few.
pub(crate) fn all(connection: &Connection) -> sql::Result<Vec<Hold>> {
    connection
        .prepare("SELECT scope, reason, actor, attended FROM guard_holds ORDER BY at, scope")?
        .query_map([], |row| {
            Ok(Hold {
                scope: row.get(0)?,
                reason: row.get(1)?,
                actor: row.get(2)?,
                attended: row.get(3)?,
            })
        })?
        .collect()
}

/// Pauses; returns false when it was paused already, and changes nothing then.
pub(crate) fn put(tx: &Connection, hold: &Hold, now: Timestamp) -> sql::Result<bool> {
    let n_rows = tx.execute(
        "INSERT INTO guard_holds (scope, reason, actor, attended, at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (scope) DO NOTHING",
        params![hold.scope, hold.reason, hold.actor, hold.attended, now],
    )?;
    Ok(n_rows == 1)
}

/// Ends a pause; returns whether there was one.
pub(crate) fn remove(tx: &Connection, scope: &Scope) -> sql::Result<bool> {
    Ok(tx.execute("DELETE FROM guard_holds WHERE scope = ?1", [scope.to_string()])? == 1)
}

/// The pause among `holds` that concerns a job with these labels: its own first, then the widest.
pub(crate) fn concerning<'a>(holds: &'a [Hold], job: &str, labels: &[String]) -> Option<&'a Hold> {
    let own = Scope::Job(job.to_owned()).to_string();
    holds
        .iter()
        .find(|hold| hold.scope == own)
        .or_else(|| holds.iter().find(|hold| hold.scope == Scope::All.to_string()))
        .or_else(|| {
            holds.iter().find(|hold| {
                labels.iter().any(|label| hold.scope == Scope::Label(label.clone()).to_string())
            })
        })
}
