//! What the sweep tells beyond the breaker: lateness, budgets, the digest.

use common::clock::Timestamp;
use common::sql::{self, Connection};

use super::fleet::Member;
use super::record::Scene;
use crate::alert::compose::{self, Facts};
use crate::alert::digest::{self, Item};
use crate::budget::{self, Level, Standing};
use crate::late::Lateness;
use crate::settings::Settings;
use crate::store::{alerts, facts, jobs};

/// Tells once of each lateness, and forgets it when the job comes again. Returns whether the row changed.
pub(super) fn tell_lateness(
    tx: &Connection,
    member: &mut Member,
    scene: &Scene<'_>,
) -> sql::Result<()> {
    let missed = member.lateness.missed().filter(|_| !member.is_stopped());
    match (missed, member.job.late_slot) {
        (Some(slot), None) => {
            member.job.late_slot = Some(slot);
            jobs::save(tx, &member.job)?;
            let event = match member.lateness {
                Lateness::NeverRan(_) => compose::NEVER_RAN,
                _ => compose::LATE,
            };
            let facts = Facts {
                job: &member.job,
                own: scene.own,
                effect: None,
                run: None,
                named_db: scene.named_db,
                at: scene.now,
            };
            let mut body = compose::about_job(event, &facts);
            compose::expected(&mut body, event, &member.job.name, slot);
            let alert = alerts::NewAlert {
                event,
                identity: format!("{event}/{}/{}", member.job.name, slot.0),
                job: Some(member.job.name.clone()),
                labels: scene.own.labels.clone(),
                hold_until: scene.now,
                body,
            };
            alerts::put(tx, &alert, &crate::alert::channels(scene.settings.alerts()), scene.now)?;
        }
        (None, Some(_)) if !member.is_stopped() => {
            member.job.late_slot = None;
            jobs::save(tx, &member.job)?;
        }
        _ => {}
    }
    Ok(())
}

/// Tells of the budgets that concern one job, as its runs end and its ticks are refused.
pub(super) fn tell_budgets(tx: &Connection, scene: &Scene<'_>, name: &str) -> sql::Result<()> {
    if !budget::concerns(scene.settings, scene.own) {
        return Ok(());
    }
    let standings = budget::of_job(tx, scene.settings, name, scene.own, scene.now)?;
    tell_standings(tx, scene.settings, &standings, scene.now)
}

/// Tells once when a budget passes 80 % and once when it is used up; sinking below starts anew.
pub(super) fn tell_standings(
    tx: &Connection,
    settings: &Settings,
    standings: &[Standing],
    now: Timestamp,
) -> sql::Result<()> {
    for standing in standings {
        let fact = format!("budget/{}/{}", standing.scope, standing.budget);
        let known = facts::get(tx, &fact)?;
        // A process that waited for its turn has an older clock, and does not count what started meanwhile.
        let is_behind = known.as_ref().is_some_and(|(_, told_at)| *told_at > now);
        let told = known.map_or_else(String::new, |(level, _)| level);
        let level = standing.level();
        // What was told as used up is not told again as nearly used up on its way down.
        let is_news = match level {
            Level::Fine => {
                if !told.is_empty() && !is_behind {
                    facts::remove(tx, &fact)?;
                }
                false
            }
            Level::Warning => told.is_empty(),
            Level::Over => told != Level::Over.as_str(),
        };
        if !is_news {
            continue;
        }
        facts::put(tx, &fact, level.as_str(), now)?;
        let event = if level == Level::Over { compose::BUDGET } else { compose::BUDGET_WARNING };
        let alert = alerts::NewAlert {
            event,
            identity: format!("{event}/{fact}/{}", now.0),
            job: standing.scope.strip_prefix("job:").map(ToOwned::to_owned),
            labels: Vec::new(),
            hold_until: now,
            body: compose::about_budget(event, standing, now),
        };
        alerts::put(tx, &alert, &crate::alert::channels(settings.alerts()), now)?;
    }
    Ok(())
}

/// Writes the daily reminder of what is still wrong.
pub(super) fn tell_digest(
    tx: &Connection,
    settings: &Settings,
    members: &[Member],
    now: Timestamp,
) -> sql::Result<()> {
    let items: Vec<Item> = members
        .iter()
        .filter(|member| {
            let is_acked = member.job.acked_incident == Some(member.job.breaker.incident);
            member.is_problem() && !(is_acked && member.is_blocked())
        })
        .map(|member| Item {
            job: member.job.name.clone(),
            what: member.problem().unwrap_or_default(),
            since: if member.is_blocked() {
                member.job.breaker.opened_at
            } else {
                member.lateness.missed()
            },
            skipped: member.job.skipped,
        })
        .collect();
    digest::write(tx, settings, &items, now)
}
