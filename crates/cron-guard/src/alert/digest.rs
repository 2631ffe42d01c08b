//! The reminder: once a day, what is still blocked, late or silent, in one message for the whole fleet.

use std::fmt::Write as _;
use std::time::Duration;

use common::clock::Timestamp;
use common::duration;
use common::out::sanitize;
use common::sql::{self, Connection};
use serde_json::{Value, json};

use super::compose;
use crate::settings::Settings;
use crate::store::{alerts, facts};

/// How often the digest is sent when the settings say nothing.
const INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// The fact that says when it was last due.
const FACT: &str = "digest";

/// One thing that is still wrong.
pub(crate) struct Item {
    pub(crate) job: String,
    pub(crate) what: String,
    pub(crate) since: Option<Timestamp>,
    pub(crate) skipped: i64,
}

/// Writes the digest to the outbox when it is due. Acknowledged incidents are not in `items`.
///
/// The first day begins when something is first wrong, so that a trip is not repeated at once.
pub(crate) fn write(
    tx: &Connection,
    settings: &Settings,
    items: &[Item],
    now: Timestamp,
) -> sql::Result<()> {
    let interval = settings.alerts().digest.map_or(INTERVAL, |interval| interval.0);
    if interval.is_zero() {
        return Ok(());
    }
    if items.is_empty() {
        facts::remove(tx, FACT)?;
        return Ok(());
    }
    match facts::get(tx, FACT)? {
        None => return facts::put(tx, FACT, "begun", now),
        // A clock that went back begins a new day instead of an endless one.
        Some((_, last)) if last > now => return facts::put(tx, FACT, "begun", now),
        Some((_, last)) if now.since(last) < interval => return Ok(()),
        Some(_) => {}
    }
    facts::put(tx, FACT, "sent", now)?;
    let new = alerts::NewAlert {
        event: compose::DIGEST,
        identity: format!("digest/{}", now.0),
        job: None,
        labels: Vec::new(),
        hold_until: now,
        body: body(items, now),
    };
    alerts::put(tx, &new, &super::channels(settings.alerts()), now)?;
    Ok(())
}

fn body(items: &[Item], now: Timestamp) -> Value {
    let jobs = if items.len() == 1 { "job needs" } else { "jobs need" };
    let title = format!("{} {jobs} somebody", items.len());
    let mut text = format!("{title}\n");
    let mut entries = Vec::new();
    for item in items {
        let since = item.since.map_or_else(String::new, |since| {
            format!(", for {}", duration::human(now.since(since)))
        });
        let skipped = if item.skipped > 0 {
            format!(", {} ticks skipped", item.skipped)
        } else {
            String::new()
        };
        let _ = writeln!(text, "{}: {}{since}{skipped}", sanitize(&item.job), sanitize(&item.what));
        entries.push(json!({
            "job": item.job, "reason": item.what, "since": item.since, "skipped": item.skipped,
        }));
    }
    json!({
        "version": 1,
        "event": compose::DIGEST,
        "job": null,
        "reason": title,
        "at": now,
        "title": title,
        "text": text,
        "jobs": entries,
    })
}
