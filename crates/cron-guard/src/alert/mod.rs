//! Alerts: what they say, where they go, and how they are sent from the outbox.
//!
//! An alert that cannot be delivered changes no verdict and no exit code; it is tried again by later
//! commands and shows in `status`.

pub(crate) mod aside;
pub(crate) mod channel;
pub(crate) mod compose;
pub(crate) mod digest;
pub(crate) mod group;
pub(crate) mod send;
pub(crate) mod webhook;

use crate::settings::Alerts;

/// The channels that the settings name; the file of the default place where they name none.
pub(crate) fn channels(alerts: &Alerts) -> Vec<&'static str> {
    let mut channels = configured(alerts);
    if channels.is_empty() {
        channels.push("file");
    }
    channels
}

/// The channels that somebody set up.
pub(crate) fn configured(alerts: &Alerts) -> Vec<&'static str> {
    [
        ("command", alerts.command.is_some()),
        ("webhook", alerts.webhook.is_some()),
        ("mail", alerts.mail.is_some()),
        ("file", alerts.file.is_some()),
        ("desktop", alerts.desktop.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_set)| is_set.then_some(name))
    .collect()
}
