//! `guard.toml`: what a person declared about jobs, labels, the fleet and the alerts.
//!
//! Everything has a default, so that no file is needed. What is wrong in a file is named with its
//! line and column and with the fields that exist. Reading never changes the file; `edit` does that.

mod difference;
pub(crate) mod edit;
mod exclusive;
mod file;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::clock::Timestamp;
use common::place;

use crate::error::Error;
use crate::machine::outcome::Codes;
use crate::machine::{COOLDOWN_MAX, Policy, Rules, flap};
use crate::schedule::Schedule;

pub(crate) use exclusive::Turn;
#[cfg(feature = "webhook")]
pub(crate) use file::Template;
pub(crate) use file::{Alerts, CommandTable, DesktopTable, MailTable, WebhookTable};
pub(crate) use words::{Budget, CodeList, Count, Mode, PolicyWord, Tier, Unit};

/// All settings, with the place they came from.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// The file, whether it exists or not.
    pub(crate) path: PathBuf,
    /// Whether the file exists.
    pub(crate) exists: bool,
    text: String,
    file: file::File,
}

/// What holds for one job once the defaults and its tier are in.
#[derive(Debug, Clone)]
pub(crate) struct JobSettings {
    /// Whether the file has a table for it.
    pub(crate) declared: bool,
    pub(crate) rules: Rules,
    pub(crate) codes: Codes,
    pub(crate) mode: Mode,
    pub(crate) tier: Tier,
    pub(crate) labels: Vec<String>,
    pub(crate) owner: Option<String>,
    pub(crate) budgets: Vec<Budget>,
    pub(crate) every: Option<Duration>,
    pub(crate) schedule: Option<String>,
    pub(crate) tz: Option<String>,
    pub(crate) grace: Duration,
}

/// How late a start may be before the job counts as late.
const GRACE: Duration = Duration::from_secs(15 * 60);
/// The shortest wait before a probe that is derived from the job's interval.
const COOLDOWN_MIN: Duration = Duration::from_secs(3600);

impl Settings {
    /// The file that the flag, the variable or the home directory names.
    pub(crate) fn path(given: Option<&Path>) -> Result<PathBuf, common::Error> {
        match given.filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => Ok(path.to_path_buf()),
            None => place::in_home(".config/cron-guard/guard.toml"),
        }
    }

    /// Reads the file. Without one the defaults hold, unless somebody named it.
    pub(crate) fn load(given: Option<&Path>) -> anyhow::Result<Self> {
        let settings = Self::load_or_new(given)?;
        let is_named = given.is_some_and(|path| !path.as_os_str().is_empty());
        if is_named && !settings.exists {
            // Without the file its tiers, labels and budgets would be gone, and nobody would know.
            let absent = std::io::ErrorKind::NotFound.into();
            return Err(common::error::file("read the settings", &settings.path)(absent).into());
        }
        Ok(settings)
    }

    /// Reads the file; one that does not exist is about to be created.
    pub(crate) fn load_or_new(given: Option<&Path>) -> anyhow::Result<Self> {
        let path = Self::path(given)?;
        match std::fs::read(&path) {
            Ok(bytes) => {
                let Ok(text) = String::from_utf8(bytes) else {
                    return Err(Error::SettingsEncoding { path }.into());
                };
                Self::parse(path, text)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { path, ..Self::default() })
            }
            Err(source) => {
                Err(common::Error::File { doing: "read the settings", path, source }.into())
            }
        }
    }

    /// Reads `text` as the content of `path`.
    pub(crate) fn parse(path: PathBuf, text: String) -> anyhow::Result<Self> {
        let file: file::File = toml::from_str(&text)
            .map_err(|error| Error::settings(&path, &text, error.span(), error.message()))?;
        let settings = Self { path, exists: true, text, file };
        settings.check()?;
        Ok(settings)
    }

    /// What the types of the file cannot say.
    fn check(&self) -> Result<(), Error> {
        for (name, job) in &self.file.job {
            if let Err(error) = name.get_ref().parse::<common::name::Name>() {
                return Err(self.error(name.span(), &format!("job name: {error}")));
            }
            if let (Some(every), Some(_)) = (&job.every, &job.schedule) {
                return Err(self.error(
                    every.span(),
                    "a job has a schedule or an interval (`every`), not both",
                ));
            }
            let Some(policy) = &job.policy else { continue };
            if *policy.get_ref() == words::PolicyWord::Probe
                && job.tier.or(self.file.defaults.tier) == Some(Tier::High)
            {
                return Err(self.error(
                    policy.span(),
                    "a job of tier high is resumed by a person only; leave out the policy or lower the tier",
                ));
            }
        }
        Ok(())
    }

    /// An error about the part `span` of the file.
    pub(crate) fn error(&self, span: std::ops::Range<usize>, message: &str) -> Error {
        Error::settings(&self.path, &self.text, Some(span), message)
    }

    /// What holds for the job `name`.
    pub(crate) fn job(&self, name: &str) -> JobSettings {
        let none = file::JobTable::default();
        let declared = self.file.job.get(name);
        let job = declared.unwrap_or(&none);
        let defaults = &self.file.defaults;
        let tier = job.tier.or(defaults.tier).unwrap_or_default();
        let every = job.every.as_ref().map(|every| every.get_ref().0);
        let policy = match job.policy.as_ref().map(|policy| *policy.get_ref()).or(defaults.policy) {
            Some(words::PolicyWord::Probe) if tier != Tier::High => Policy::Probe,
            _ => Policy::Manual,
        };
        let max_runtime = job.max_runtime.or(defaults.max_runtime).map(|limit| limit.0);
        let rules = Rules {
            threshold: job
                .threshold
                // What holds in general must not loosen what a job of tier high asks for.
                .or(defaults.threshold.filter(|_| tier != Tier::High))
                .map_or(tier.threshold(), |n| n.0),
            recover: job.recover.or(defaults.recover).map_or(1, |n| n.0),
            policy,
            cooldown: job
                .cooldown
                .or(defaults.cooldown)
                .map_or_else(|| cooldown(job, every, policy), |wait| wait.0),
            jitter: crate::jitter::fraction(name),
            max_runtime,
            flap: flap::Limits::default(),
            flap_blocks: job.flapping.or(defaults.flapping) == Some(words::Flapping::Block),
        };
        let codes = |own: &Option<words::CodeList>, general: &Option<words::CodeList>| {
            own.as_ref().or(general.as_ref()).map_or_else(Vec::new, |codes| codes.0.clone())
        };
        JobSettings {
            declared: declared.is_some(),
            rules,
            codes: Codes {
                trip_now: codes(&job.trip_now, &defaults.trip_now),
                neutral: codes(&job.neutral, &defaults.neutral),
                max_runtime,
            },
            mode: job.mode.or(defaults.mode).unwrap_or_default(),
            tier,
            labels: job.labels.clone(),
            owner: job.owner.clone(),
            budgets: job.budget.clone(),
            every,
            schedule: job.schedule.as_ref().map(|schedule| schedule.get_ref().clone()),
            tz: job.tz.as_ref().map(|tz| tz.get_ref().clone()),
            grace: job.grace.or(defaults.grace).map_or(GRACE, |grace| grace.0),
        }
    }

    /// The file as it was read.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// When the file was last written: what it declares has stood there since then at the latest.
    pub(crate) fn written_at(&self) -> Option<Timestamp> {
        let written = std::fs::metadata(&self.path).and_then(|file| file.modified()).ok()?;
        let age = written.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Timestamp(i64::try_from(age.as_millis()).ok()?))
    }

    /// The names of the declared jobs, in order.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &str> {
        self.file.job.keys().map(|name| name.get_ref().as_str())
    }

    /// Whether `crontab --install` declared the job.
    pub(crate) fn is_from_crontab(&self, name: &str) -> bool {
        self.file.job.get(name).is_some_and(|job| job.crontab)
    }

    /// The jobs that carry `label`.
    pub(crate) fn with_label<'a>(&'a self, label: &'a str) -> impl Iterator<Item = &'a str> {
        self.file
            .job
            .iter()
            .filter(move |(_, job)| job.labels.iter().any(|own| own == label))
            .map(|(name, _)| name.get_ref().as_str())
    }

    /// The budgets of each label that has some.
    pub(crate) fn label_budgets(&self, label: &str) -> &[Budget] {
        self.file.label.get(label).map_or(&[], |label| &label.budget)
    }

    /// The labels that have settings.
    pub(crate) fn labels(&self) -> &BTreeMap<String, file::LabelTable> {
        &self.file.label
    }

    /// The budgets of all jobs together.
    pub(crate) fn fleet_budgets(&self) -> &[Budget] {
        &self.file.fleet.budget
    }

    /// Whether a process without a terminal may resume a job.
    pub(crate) fn allows_unattended_resume(&self) -> bool {
        self.file.defaults.allow_unattended_resume
    }

    /// Where alerts go.
    pub(crate) fn alerts(&self) -> &file::Alerts {
        &self.file.alerts
    }

    /// Where a cooldown is asked for that is longer than the longest wait: `defaults`, or the name of a job.
    pub(crate) fn long_cooldowns(&self) -> Vec<&str> {
        let jobs = self.file.job.iter().map(|(name, job)| (name.get_ref().as_str(), job.cooldown));
        [("defaults", self.file.defaults.cooldown)]
            .into_iter()
            .chain(jobs)
            .filter(|(_, cooldown)| cooldown.is_some_and(|wait| wait.0 > COOLDOWN_MAX))
            .map(|(name, _)| name)
            .collect()
    }

    /// The jobs whose schedule or zone is none, each with what is wrong. A gate needs neither, and the other
    /// jobs are as they are, so this stops nothing.
    pub(crate) fn misdeclared(&self) -> BTreeMap<&str, Error> {
        let wrong = |job: &file::JobTable| {
            if let Some(tz) = &job.tz
                && let Err(error) = crate::schedule::zone(tz.get_ref())
            {
                return Some(self.error(tz.span(), &error.to_string()));
            }
            let schedule = job.schedule.as_ref()?;
            let error = Schedule::parse(schedule.get_ref()).err()?;
            Some(self.error(schedule.span(), &error.to_string()))
        };
        let jobs = self.file.job.iter();
        jobs.filter_map(|(name, job)| Some((name.get_ref().as_str(), wrong(job)?))).collect()
    }
}

/// The first wait before a probe when none is set: two intervals of the job, at least an hour.
///
/// A schedule is read for jobs that probe themselves alone, since that takes longer than a gate does.
fn cooldown(job: &file::JobTable, every: Option<Duration>, policy: Policy) -> Duration {
    let by_schedule = || {
        let schedule = Schedule::parse(job.schedule.as_ref()?.get_ref()).ok()?;
        // Two starts from any moment on, whatever the zone: a week is a week.
        let first = schedule.next(Timestamp(0))?;
        Some(schedule.next(first)?.since(first))
    };
    let interval = every.or_else(|| (policy == Policy::Probe).then(by_schedule).flatten());
    interval.map_or(COOLDOWN_MIN, |interval| interval.saturating_mul(2).max(COOLDOWN_MIN))
}

#[cfg(test)]
mod tests;
