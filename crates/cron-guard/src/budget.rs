//! Budgets: caps over rolling windows, of a job, of a label, of the fleet.
//!
//! Over the cap is blocked with reason `budget`; that ends by itself as the window slides.

use common::clock::Timestamp;
use common::sql::{self, Connection};

use crate::settings::{Budget, JobSettings, Settings, Unit};
use crate::store::spending::{self, Spent};

/// The share of a cap at which a warning is due.
const WARN_AT: f64 = 0.8;

/// How a budget stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    /// Whose budget it is: `job:NAME`, `label:NAME` or `fleet`.
    pub(crate) scope: String,
    pub(crate) budget: Budget,
    pub(crate) used: f64,
}

/// How far a budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Fine,
    Warning,
    Over,
}

impl Level {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Over => "over",
        }
    }
}

impl Standing {
    /// How far it is used up. A cap that is reached is used up: the next run would go over it.
    pub(crate) fn level(&self) -> Level {
        if self.used >= self.budget.cap {
            Level::Over
        } else if self.used >= self.budget.cap * WARN_AT {
            Level::Warning
        } else {
            Level::Fine
        }
    }

    /// For people: `budget usd=5/24h of label:x is used up: 5.12`.
    pub(crate) fn describe(&self) -> String {
        let used = match self.budget.unit {
            Unit::Usd => format!("{:.2}", self.used),
            Unit::Tokens | Unit::Runs => format!("{:.0}", self.used),
            Unit::Minutes => format!("{:.1}", self.used),
        };
        let what = if self.level() == Level::Over { "is used up" } else { "is nearly used up" };
        format!("budget {} of {} {what}: {used}", self.budget, self.scope)
    }
}

/// Whether any budget concerns this job.
pub(crate) fn concerns(settings: &Settings, own: &JobSettings) -> bool {
    !own.budgets.is_empty()
        || !settings.fleet_budgets().is_empty()
        || own.labels.iter().any(|label| !settings.label_budgets(label).is_empty())
}

/// How the budgets that concern one job stand.
pub(crate) fn of_job(
    connection: &Connection,
    settings: &Settings,
    name: &str,
    own: &JobSettings,
    now: Timestamp,
) -> sql::Result<Vec<Standing>> {
    let mut standings = Vec::new();
    for budget in &own.budgets {
        let spent = spending::of_job(connection, name, now.minus(budget.window), now)?;
        standings.push(standing(format!("job:{name}"), budget, spent));
    }
    for label in &own.labels {
        standings.extend(of_label(connection, settings, label, now)?);
    }
    standings.extend(of_fleet(connection, settings, now)?);
    Ok(standings)
}

/// How all budgets stand, each once.
pub(crate) fn of_everything(
    connection: &Connection,
    settings: &Settings,
    now: Timestamp,
) -> sql::Result<Vec<Standing>> {
    let mut standings = Vec::new();
    for name in settings.declared() {
        for budget in &settings.job(name).budgets {
            let spent = spending::of_job(connection, name, now.minus(budget.window), now)?;
            standings.push(standing(format!("job:{name}"), budget, spent));
        }
    }
    for label in settings.labels().keys() {
        standings.extend(of_label(connection, settings, label, now)?);
    }
    standings.extend(of_fleet(connection, settings, now)?);
    Ok(standings)
}

fn of_label(
    connection: &Connection,
    settings: &Settings,
    label: &str,
    now: Timestamp,
) -> sql::Result<Vec<Standing>> {
    let mut standings = Vec::new();
    for budget in settings.label_budgets(label) {
        let mut spent = Spent::default();
        for job in settings.with_label(label) {
            let own = spending::of_job(connection, job, now.minus(budget.window), now)?;
            spent = spent.plus(own);
        }
        standings.push(standing(format!("label:{label}"), budget, spent));
    }
    Ok(standings)
}

fn of_fleet(
    connection: &Connection,
    settings: &Settings,
    now: Timestamp,
) -> sql::Result<Vec<Standing>> {
    settings
        .fleet_budgets()
        .iter()
        .map(|budget| {
            let spent = spending::of_all(connection, now.minus(budget.window), now)?;
            Ok(standing("fleet".to_owned(), budget, spent))
        })
        .collect()
}

fn standing(scope: String, budget: &Budget, spent: Spent) -> Standing {
    let used = match budget.unit {
        Unit::Usd => spent.usd,
        Unit::Tokens => spent.tokens,
        Unit::Runs => spent.runs,
        Unit::Minutes => spent.minutes,
    };
    Standing { scope, budget: budget.clone(), used }
}
