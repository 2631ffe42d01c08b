//! Holds the product against the ledger when the fire is out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ledger::Ledger;
use super::world::{N_SHARED, SECRET, World};

/// Every check; what differs is a violation.
pub(super) fn audit(world: &World, ledger: &Ledger) {
    // The next command repairs what the killed ones left; alerts that were cut off are sent again.
    let _ = world.run("agent-state", &["run", "reap"]);
    let _ = world.run("cron-guard", &["alert", "retry"]);
    let _ = world.run("cron-guard", &[]);
    writes(world, ledger);
    tokens(world, ledger);
    alerts(world, ledger);
    leftovers(world, ledger);
    secrets(world, ledger);
}

/// Every acknowledged version that history still has holds the value that was acknowledged.
fn writes(world: &World, ledger: &Ledger) {
    let acknowledged = ledger.facts().writes.clone();
    for ((agent, key), versions) in acknowledged {
        let Ok(output) = world.run("agent-state", &["state", "history", &agent, &key, "--json"])
        else {
            continue;
        };
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some(rows) = rows(&printed) else {
            ledger.violation(format!("the history of {agent}/{key} is not JSON: {printed}"));
            continue;
        };
        let newest = rows.iter().filter_map(|row| row["version"].as_i64()).max().unwrap_or(0);
        if versions.keys().max().is_some_and(|version| *version > newest) {
            ledger.violation(format!(
                "{agent}/{key}: version {newest} is the newest, and {versions:?} was acknowledged"
            ));
        }
        for row in &rows {
            let version = row["version"].as_i64().unwrap_or(0);
            if let Some(value) = versions.get(&version)
                && row["value"] != *value.as_str()
            {
                ledger.violation(format!(
                    "{agent}/{key} version {version} is {}, not {value}",
                    row["value"]
                ));
            }
        }
        ledger.count("keys held against the ledger");
    }
}

/// A JSON array, or one object a line.
fn rows(printed: &str) -> Option<Vec<Value>> {
    match serde_json::from_str(printed) {
        Ok(Value::Array(rows)) => Some(rows),
        Ok(row) => Some(vec![row]),
        Err(_) => printed.lines().map(|line| serde_json::from_str(line).ok()).collect(),
    }
}

/// Fencing tokens of a resource only rise, in the order of its critical sections, and none does
/// anything after a later one has begun.
fn tokens(world: &World, ledger: &Ledger) {
    for n_lock in 0..N_SHARED {
        let seen =
            fs::read_to_string(world.path(&format!("lock-{n_lock}.tokens"))).unwrap_or_default();
        let mut last = None;
        for (token, does) in seen.lines().filter_map(|line| line.split_once(' ')) {
            let Ok(token) = token.parse::<i64>() else {
                ledger.violation(format!("lock-{n_lock}: {token} is no token"));
                continue;
            };
            if does == "ends" && last != Some(token) {
                ledger.violation(format!(
                    "lock-{n_lock} was held twice: {token} ended after {last:?}"
                ));
            } else if does == "begins" && last.is_some_and(|last| last >= token) {
                ledger.violation(format!("lock-{n_lock}: token {token} came after {last:?}"));
            }
            last = last.max(Some(token));
        }
        if last.is_some() {
            ledger.count("locks whose tokens rose");
        }
    }
}

/// Exactly one alert an incident. A guard that is killed between the delivery and its record delivers again
/// under the same id, which is what the id is for.
fn alerts(world: &World, ledger: &Ledger) {
    let alerts = fs::read_to_string(world.path("alerts")).unwrap_or_default();
    let alerts: Vec<Value> =
        alerts.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let incidents = ledger.facts().incidents.clone();
    for (job, n_incidents) in incidents {
        let trips: Vec<&Value> =
            alerts.iter().filter(|alert| alert["event"] == "trip" && names(alert, &job)).collect();
        let ids: BTreeSet<String> =
            trips.iter().map(|alert| alert["alert_id"].to_string()).collect();
        for _ in ids.len()..trips.len() {
            ledger.count("alerts delivered again under their id after a kill");
        }
        if ids.len() as u64 != n_incidents {
            ledger.violation(format!(
                "{job}: {n_incidents} incidents and {} alerts of a trip",
                ids.len()
            ));
        }
    }
}

/// Whether an alert is about the job, alone or in a group.
fn names(alert: &Value, job: &str) -> bool {
    alert["job"] == job
        || alert["jobs"]
            .as_array()
            .is_some_and(|jobs| jobs.iter().any(|one| one == job || one["job"] == job))
}

/// No run is left running, no lock is left held, the database is whole.
fn leftovers(world: &World, ledger: &Ledger) {
    for (what, args) in [
        ("running runs", &["run", "list", "--status", "running", "--json"][..]),
        ("locks", &["lock", "list", "--json"]),
    ] {
        match world.run("agent-state", args) {
            Ok(output) => {
                let printed = String::from_utf8_lossy(&output.stdout).into_owned();
                if rows(&printed).is_none_or(|rows| !rows.is_empty()) {
                    ledger.violation(format!("{what} are left: {printed}"));
                }
            }
            Err(error) => ledger.violation(format!("{what}: {error}")),
        }
    }
    match world.run("agent-state", &["doctor"]) {
        Ok(output) if matches!(output.status.code(), Some(0 | 1)) => {
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            if printed.contains("integrity") && !output.status.success() {
                ledger.violation(format!("doctor: {printed}"));
            }
        }
        Ok(output) => ledger.violation(format!(
            "doctor gave {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => ledger.violation(format!("doctor: {error}")),
    }
}

/// The secret stands in no file of the home, in no encoding that a leak would have.
fn secrets(world: &World, ledger: &Ledger) {
    let hex = SECRET.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    for path in files(world.home()) {
        let Ok(content) = fs::read(&path) else { continue };
        for shape in [SECRET, hex.as_str()] {
            if content.windows(shape.len()).any(|window| window == shape.as_bytes()) {
                ledger.violation(format!("the secret stands in {}", path.display()));
            }
        }
        ledger.count("files searched for the secret");
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&path)),
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
    found
}
