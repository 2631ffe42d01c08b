//! When an alert may leave: trips of one label are collected after the first one.

use std::time::Duration;

use common::clock::Timestamp;
use common::sql::{self, Connection};

use super::record::Scene;
use crate::alert::compose;
use crate::store::alerts;

/// How long trips of one label are collected when the settings say nothing.
const GROUP_WINDOW: Duration = Duration::from_secs(600);

/// The first trip of a label leaves at once; those within ten minutes after it wait and leave as one.
pub(super) fn hold_until(tx: &Connection, scene: &Scene<'_>) -> sql::Result<Timestamp> {
    let window = scene.settings.alerts().group_window.map_or(GROUP_WINDOW, |window| window.0);
    if window.is_zero() || scene.own.labels.is_empty() {
        return Ok(scene.now);
    }
    let earlier = alerts::of_event(tx, compose::TRIP, scene.now.minus(window))?;
    let first = earlier
        .iter()
        .find(|alert| alert.labels.iter().any(|label| scene.own.labels.contains(label)));
    Ok(first.map_or(scene.now, |first| first.at.plus(window).max(scene.now)))
}
