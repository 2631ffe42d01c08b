//! Several jobs of one label that trip within ten minutes: one alert speaks for all but the first.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use common::clock::Timestamp;
use common::sql::{self, Connection};
use serde_json::{Value, json};

use super::compose;
use crate::settings::Alerts;
use crate::store::alerts::{self, Alert, NewAlert};

/// Puts trips that waited for each other into one alert, once their wait is over.
///
/// A trip that waited alone leaves by itself.
pub(crate) fn gather(tx: &Connection, settings: &Alerts, now: Timestamp) -> sql::Result<()> {
    let waiting = alerts::waited(tx, compose::TRIP, now)?;
    let mut by_label: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
    for alert in waiting {
        // A job with several labels is told once, under its first.
        if let Some(label) = alert.labels.first() {
            by_label.entry(label.clone()).or_default().push(alert);
        }
    }
    for (label, members) in by_label.into_iter().filter(|(_, members)| members.len() > 1) {
        let ids: Vec<&str> = members.iter().map(|alert| alert.id.as_str()).collect();
        let new = NewAlert {
            event: compose::TRIP_GROUP,
            identity: format!("group/{}", ids.join("+")),
            job: None,
            labels: vec![label.clone()],
            hold_until: now,
            body: body(&label, &members, now),
        };
        if let Some(group) = alerts::put(tx, &new, &super::channels(settings), now)? {
            alerts::speak_for(tx, &group, &ids)?;
        }
    }
    Ok(())
}

fn body(label: &str, members: &[Alert], now: Timestamp) -> Value {
    // A job that is only watched runs on.
    let is_watched = |alert: &Alert| alert.text("state") == "observe";
    let what = if members.iter().any(is_watched) { "have tripped" } else { "are blocked" };
    let title = format!("{} jobs with {label} {what}", members.len());
    let mut text = format!("{title}\n");
    for alert in members {
        let _ = writeln!(text, "\n{}", alert.text("text").trim_end());
    }
    let bodies: Vec<&Value> = members.iter().map(|alert| &alert.body).collect();
    let jobs: Vec<&str> = members.iter().filter_map(|alert| alert.job.as_deref()).collect();
    json!({
        "version": 1,
        "event": compose::TRIP_GROUP,
        "job": null,
        "jobs": jobs,
        "labels": [label],
        "reason": title,
        "at": now,
        "title": title,
        "text": text,
        "alerts": bodies,
    })
}
