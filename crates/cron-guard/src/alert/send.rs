//! Sends what is due from the outbox: one process claims a delivery, sends it, and marks it.

use std::time::Duration;

use common::clock::{self, Timestamp};
use common::fleet::Database;
use common::fleet::liveness::{Here, Holder};

use super::{channel, group};
use crate::settings::Alerts;
use crate::store::alerts::{self, Which};

/// How long a claim holds for a process that cannot be seen from elsewhere.
const CLAIM: Duration = Duration::from_secs(120);
/// The wait before the second try; doubled with each further one.
const BACKOFF: Duration = Duration::from_secs(60);
/// The longest wait between tries.
const BACKOFF_MAX: Duration = Duration::from_secs(3600);
/// After this many tries (about two days) a delivery is given up; `alert retry` takes it up again.
const TRIES_MAX: i64 = 54;

/// How a round of sending went.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) delivered: usize,
    pub(crate) failed: usize,
}

/// Sends everything that is due. A failure is recorded and never returned: it changes no verdict.
pub(crate) fn send_due(
    db: &mut Database,
    settings: &Alerts,
    here: &Here,
) -> Result<Sent, common::Error> {
    db.write("write to", |tx| group::gather(tx, settings, clock::now()))?;
    send_which(db, settings, here, Which::All)
}

/// Sends what is due about one job and was never tried.
pub(crate) fn send_new(
    db: &mut Database,
    settings: &Alerts,
    here: &Here,
    job: &str,
) -> Result<Sent, common::Error> {
    send_which(db, settings, here, Which::NewOf(job))
}

fn send_which(
    db: &mut Database,
    settings: &Alerts,
    here: &Here,
    which: Which<'_>,
) -> Result<Sent, common::Error> {
    let mut sent = Sent::default();
    let claimant = Holder::this_process(here);
    let mut after = String::new();
    loop {
        let now = clock::now();
        let claimed = db.write("write to", |tx| {
            let until = now.plus(CLAIM);
            let claimed = alerts::claim(tx, claimant.as_ref(), until, here, now, (which, &after))?;
            match claimed {
                Some(delivery) => {
                    let alert = alerts::get(tx, &delivery.alert_id)?;
                    Ok(Some((delivery, alert)))
                }
                None => Ok(None),
            }
        })?;
        let Some((delivery, alert)) = claimed else { return Ok(sent) };
        after = format!("{}{}", delivery.alert_id, delivery.channel);
        let result = channel::send(&delivery.channel, settings, &alert);
        match &result {
            Ok(()) => sent.delivered += 1,
            Err(_) => sent.failed += 1,
        }
        let retry_at = retry_at(delivery.attempts, clock::now());
        db.write("write to", |tx| {
            let result = result.as_ref().copied().map_err(String::as_str);
            alerts::settle(tx, &delivery, result, retry_at, clock::now())
        })?;
    }
}

/// Sends `body` on every channel at once, without an outbox. Returns whether anybody got it.
pub(crate) fn send_now(settings: &Alerts, body: &serde_json::Value) -> bool {
    let id = common::fleet::new_id();
    let mut body = body.clone();
    if let Some(object) = body.as_object_mut() {
        object.insert("alert_id".into(), id.clone().into());
    }
    let alert = alerts::Alert {
        id,
        at: clock::now(),
        event: body.get("event").and_then(|event| event.as_str()).unwrap_or_default().to_owned(),
        job: None,
        labels: Vec::new(),
        grouped_in: None,
        body,
    };
    let results: Vec<_> = super::channels(settings)
        .into_iter()
        .map(|name| channel::send(name, settings, &alert).is_ok())
        .collect();
    results.contains(&true)
}

fn retry_at(attempts: i64, now: Timestamp) -> Option<Timestamp> {
    if attempts + 1 >= TRIES_MAX {
        return None;
    }
    let doublings = u32::try_from(attempts.clamp(0, 10)).unwrap_or(0);
    Some(now.plus(BACKOFF.saturating_mul(1 << doublings).min(BACKOFF_MAX)))
}
