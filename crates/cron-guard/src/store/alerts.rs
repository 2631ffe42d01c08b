//! The outbox: an alert is written with the transition that it tells of, claimed by one process,
//! and marked delivered only when its channel said so.

use common::clock::Timestamp;
use common::fleet::liveness::{Fate, Here, Holder};
use common::fleet::new_id;
use common::sql::{self, Connection, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{json, to_json};

/// An alert about to be written.
#[derive(Debug, Clone)]
pub(crate) struct NewAlert {
    pub(crate) event: &'static str,
    /// What it is about: a second alert about the same is refused.
    pub(crate) identity: String,
    pub(crate) job: Option<String>,
    pub(crate) labels: Vec<String>,
    /// Not sent before this moment.
    pub(crate) hold_until: Timestamp,
    pub(crate) body: Value,
}

/// An alert as it stands in the outbox.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Alert {
    #[serde(rename = "alert_id")]
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) event: String,
    pub(crate) job: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) grouped_in: Option<String>,
    pub(crate) body: Value,
}

impl Alert {
    /// A text of the body; empty where it is absent.
    pub(crate) fn text(&self, key: &str) -> String {
        self.body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Whether somebody should look soon.
    pub(crate) fn is_bad_news(&self) -> bool {
        !matches!(self.event.as_str(), "recovered" | "steady" | "digest" | "test")
    }
}

/// One alert on one channel.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Delivery {
    pub(crate) alert_id: String,
    pub(crate) channel: String,
    pub(crate) attempts: i64,
    /// When it is tried next; `None` when nothing is left to do.
    pub(crate) due_at: Option<Timestamp>,
    pub(crate) delivered_at: Option<Timestamp>,
    pub(crate) error: Option<String>,
}

/// The process that is sending an alert.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claim {
    host: String,
    boot_id: String,
    pid_space: String,
    pid: i64,
    pid_started: i64,
    until: i64,
}

/// Writes an alert for these channels. Returns its id, or `None` when the same was told before.
pub(crate) fn put(
    tx: &Connection,
    new: &NewAlert,
    channels: &[&str],
    now: Timestamp,
) -> sql::Result<Option<String>> {
    let id = new_id();
    let mut body = new.body.clone();
    if let Some(object) = body.as_object_mut() {
        object.insert("alert_id".into(), id.clone().into());
    }
    let n_rows = tx.execute(
        "INSERT INTO guard_alerts (id, at, event, identity, job, labels, hold_until, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (identity) DO NOTHING",
        params![
            id,
            now,
            new.event,
            new.identity,
            new.job,
            to_json(&new.labels)?,
            new.hold_until,
            body.to_string()
        ],
    )?;
    if n_rows == 0 {
        return Ok(None);
    }
    for channel in channels {
        tx.send(
            "INSERT INTO guard_deliveries (alert_id, channel, attempts, due_at) VALUES (?1, ?2, 0, ?3)",
            params![id, channel, new.hold_until],
        )?;
    }
    Ok(Some(id))
}

fn alert_of(row: &Row<'_>) -> sql::Result<Alert> {
    let body: String = row.get(6)?;
    Ok(Alert {
        id: row.get(0)?,
        at: row.get(1)?,
        event: row.get(2)?,
        job: row.get(3)?,
        labels: json(&row.get::<String>(4)?)?,
        grouped_in: row.get(5)?,
        body: json(&body)?,
    })
}

const ALERT: &str = "SELECT id, at, event, job, labels, grouped_in, body FROM guard_alerts";

/// The alert with this id.
pub(crate) fn get(connection: &Connection, id: &str) -> sql::Result<Alert> {
    connection.query_row(&format!("{ALERT} WHERE id = ?1"), [id], alert_of)
}

/// The last alerts, newest first.
pub(crate) fn newest(connection: &Connection, limit: u32) -> sql::Result<Vec<Alert>> {
    connection
        .prepare(&format!("{ALERT} ORDER BY id DESC LIMIT ?1"))?
        .query_map([limit], alert_of)?
        .collect()
}

/// The alerts about `event` from `since` on, oldest first.
pub(crate) fn of_event(
    connection: &Connection,
    event: &str,
    since: Timestamp,
) -> sql::Result<Vec<Alert>> {
    connection
        .prepare(&format!("{ALERT} WHERE event = ?1 AND at >= ?2 ORDER BY id"))?
        .query_map(params![event, since], alert_of)?
        .collect()
}

/// Alerts about `event` that waited for others, whose wait is over, and which nobody tried to send yet.
pub(crate) fn waited(
    connection: &Connection,
    event: &str,
    now: Timestamp,
) -> sql::Result<Vec<Alert>> {
    connection
        .prepare(&format!(
            "{ALERT} a WHERE event = ?1 AND grouped_in IS NULL AND hold_until > at AND hold_until <= ?2
                AND id IN (SELECT alert_id FROM guard_deliveries WHERE due_at IS NOT NULL)
                AND NOT EXISTS (SELECT 1 FROM guard_deliveries d
                                 WHERE d.alert_id = a.id AND (d.attempts > 0 OR d.claim IS NOT NULL))
              ORDER BY id"
        ))?
        .query_map(params![event, now], alert_of)?
        .collect()
}

/// Has `group` speak for these alerts, which are not sent themselves.
pub(crate) fn speak_for(tx: &Connection, group: &str, members: &[&str]) -> sql::Result<()> {
    for member in members {
        tx.send("UPDATE guard_alerts SET grouped_in = ?2 WHERE id = ?1", [member, group])?;
        tx.send("UPDATE guard_deliveries SET due_at = NULL WHERE alert_id = ?1", [member])?;
    }
    Ok(())
}

fn delivery_of(row: &Row<'_>) -> sql::Result<Delivery> {
    Ok(Delivery {
        alert_id: row.get(0)?,
        channel: row.get(1)?,
        attempts: row.get(2)?,
        due_at: row.get(3)?,
        delivered_at: row.get(4)?,
        error: row.get(5)?,
    })
}

const DELIVERY: &str =
    "SELECT alert_id, channel, attempts, due_at, delivered_at, error FROM guard_deliveries";

/// How an alert fares on each of its channels.
pub(crate) fn deliveries(connection: &Connection, alert_id: &str) -> sql::Result<Vec<Delivery>> {
    connection
        .prepare(&format!("{DELIVERY} WHERE alert_id = ?1 ORDER BY channel"))?
        .query_map([alert_id], delivery_of)?
        .collect()
}

/// Deliveries that failed and are still to be tried, or were given up.
pub(crate) fn troubled(connection: &Connection) -> sql::Result<Vec<Delivery>> {
    connection
        .prepare(&format!(
            "{DELIVERY} WHERE delivered_at IS NULL AND error IS NOT NULL ORDER BY alert_id, channel"
        ))?
        .query_map([], delivery_of)?
        .collect()
}

/// The next delivery that is due; `None` when there is none.
pub(crate) fn is_any_due(connection: &Connection, now: Timestamp) -> sql::Result<bool> {
    let earliest: Option<Timestamp> = connection.query_row(
        "SELECT min(due_at) FROM guard_deliveries WHERE due_at IS NOT NULL",
        [],
        |row| row.get(0),
    )?;
    Ok(earliest.is_some_and(|due| due <= now))
}

/// Which of the due deliveries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    All,
    /// Those about one job that were never tried.
    NewOf(&'a str),
}

/// Claims one due delivery for `claimant` until `until`; nobody else sends it meanwhile.
///
/// The claim of a process that is gone, or whose time is over, is void.
pub(crate) fn claim(
    tx: &Connection,
    claimant: Option<&Holder>,
    until: Timestamp,
    here: &Here,
    now: Timestamp,
    (which, after): (Which<'_>, &str),
) -> sql::Result<Option<Delivery>> {
    let select = |clause: &str, values: &[&dyn sql::ToSql]| {
        tx.prepare(&format!(
            "SELECT alert_id, channel, attempts, due_at, delivered_at, error, claim FROM guard_deliveries
              WHERE due_at IS NOT NULL AND due_at <= ?1 AND alert_id || channel > ?2 {clause}
              ORDER BY alert_id, channel LIMIT 100"
        ))?
        .query_map(values, |row| Ok((delivery_of(row)?, row.get(6)?)))?
        .collect::<sql::Result<Vec<(Delivery, Option<String>)>>>()
    };
    let due = match which {
        Which::All => select("", &[&now, &after])?,
        Which::NewOf(job) => select(
            "AND attempts = 0 AND alert_id IN (SELECT id FROM guard_alerts WHERE job = ?3)",
            &[&now, &after, &job],
        )?,
    };
    for (delivery, claim) in due {
        if let Some(claim) = claim {
            let claim: Claim = json(&claim)?;
            let holder = Holder {
                host: claim.host,
                boot_id: claim.boot_id,
                pid_space: claim.pid_space,
                pid: claim.pid,
                pid_started: claim.pid_started,
            };
            let is_mine = claimant == Some(&holder);
            let is_void = match holder.fate(here) {
                Fate::Alive | Fate::Unknown => claim.until <= now.0,
                Fate::Gone | Fate::Rebooted => true,
            };
            if !is_mine && !is_void {
                continue;
            }
        }
        let claim = claimant
            .map(|holder| {
                to_json(&Claim {
                    host: holder.host.clone(),
                    boot_id: holder.boot_id.clone(),
                    pid_space: holder.pid_space.clone(),
                    pid: holder.pid,
                    pid_started: holder.pid_started,
                    until: until.0,
                })
            })
            .transpose()?;
        tx.send(
            "UPDATE guard_deliveries SET claim = ?3 WHERE alert_id = ?1 AND channel = ?2",
            params![delivery.alert_id, delivery.channel, claim],
        )?;
        return Ok(Some(delivery));
    }
    Ok(None)
}

/// Records how a try ended: delivered, or an error and when to try again (`None`: never).
pub(crate) fn settle(
    tx: &Connection,
    delivery: &Delivery,
    result: Result<(), &str>,
    retry_at: Option<Timestamp>,
    now: Timestamp,
) -> sql::Result<()> {
    let (delivered_at, error, due_at) = match result {
        Ok(()) => (Some(now), None, None),
        Err(error) => (None, Some(error), retry_at),
    };
    tx.send(
        "UPDATE guard_deliveries SET attempts = attempts + 1, claim = NULL, delivered_at = ?3, error = ?4, due_at = ?5
          WHERE alert_id = ?1 AND channel = ?2 AND delivered_at IS NULL",
        params![delivery.alert_id, delivery.channel, delivered_at, error, due_at],
    )?;
    Ok(())
}

/// Whether the alert with this identity reached somebody.
pub(crate) fn was_delivered(connection: &Connection, identity: &str) -> sql::Result<bool> {
    connection
        .query_row(
            "SELECT count(*) FROM guard_alerts a
           JOIN guard_deliveries d ON d.alert_id = coalesce(a.grouped_in, a.id)
          WHERE a.identity = ?1 AND d.delivered_at IS NOT NULL",
            [identity],
            |row| row.get::<i64>(0),
        )
        .map(|n_delivered| n_delivered > 0)
}

/// Makes everything that failed due again.
pub(crate) fn retry_all(tx: &Connection, now: Timestamp) -> sql::Result<usize> {
    tx.execute(
        "UPDATE guard_deliveries SET due_at = ?1 WHERE delivered_at IS NULL AND error IS NOT NULL",
        [now],
    )
}
