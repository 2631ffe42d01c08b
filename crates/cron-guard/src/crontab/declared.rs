//! Wrapped lines against their declarations: who edits the schedule of a line by hand leaves the old one declared.

use std::collections::BTreeMap;

use super::{Guarded, Job, Line, Named, lines};
use crate::settings::Settings;

/// A wrapped line whose declaration says something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Differing {
    pub(crate) name: String,
    /// What the line says.
    pub(crate) line: Job,
    /// What is declared; `None` when nothing is.
    pub(crate) declared: Option<Job>,
    /// The declaration was made from the crontab, or there is none: it follows the line.
    pub(crate) follows: bool,
}

/// The jobs of the lines that the guard wrapped, each with its schedule as the line has it now.
fn guarded(crontab: &[u8]) -> Vec<Named> {
    let mut tz = None;
    let mut found = Vec::new();
    for (text, _) in lines(crontab) {
        if let Line::Variable { name: "CRON_TZ", value } = Line::parse(text) {
            tz = Some(value.to_owned()).filter(|tz| !tz.is_empty());
        } else if let Some(guarded) = Guarded::parse(text)
            && let Line::Job(line) = Line::parse(guarded.original.as_bytes())
        {
            let job = Job { schedule: line.schedule, tz: tz.clone() };
            found.push(Named { name: guarded.name, job });
        }
    }
    found
}

/// The wrapped lines that are declared otherwise, or not at all.
///
/// A job on two lines with two schedules has no declaration that says both, and neither is asked for.
pub(crate) fn differing(crontab: &[u8], settings: &Settings) -> Vec<Differing> {
    let mut jobs: BTreeMap<String, Vec<Job>> = BTreeMap::new();
    for named in guarded(crontab) {
        jobs.entry(named.name).or_default().push(named.job);
    }
    jobs.into_iter()
        .filter_map(|(name, mut lines)| {
            lines.dedup();
            let line = lines.pop().filter(|_| lines.is_empty())?;
            let own = settings.job(&name);
            let declared =
                own.declared.then(|| Job { schedule: own.schedule.clone(), tz: own.tz.clone() });
            let follows = !own.declared || settings.is_from_crontab(&name);
            // An interval, or no time at all, is what a person chose to say.
            let is_comparable = follows || own.schedule.is_some();
            (is_comparable && own.every.is_none() && declared.as_ref() != Some(&line))
                .then_some(Differing { name, line, declared, follows })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_held_against_what_is_declared_of_it() {
        let line = |schedule: &str, name: &str| {
            format!(
                "{schedule} cron-guard exec {name} -- /bin/sh -c '{name}'{}\n",
                super::super::MARKER
            )
        };
        let crontab = [
            line("0 1 * * *", "same"),
            "CRON_TZ=Europe/Berlin\n".to_owned(),
            line("0 5 * * *", "moved"),
            line("0 5 * * *", "mine"),
            line("0 5 * * *", "chosen"),
            line("@reboot", "new"),
            line("0 1 * * *", "twice"),
            line("0 2 * * *", "twice"),
        ]
        .concat();
        let settings = "[job.same]\ncrontab = true\nschedule = \"0 1 * * *\"\n\
            [job.moved]\ncrontab = true\nschedule = \"0 1 * * *\"\n\
            [job.mine]\nschedule = \"0 1 * * *\"\n[job.chosen]\nevery = \"1d\"\n";
        let settings = Settings::parse("/g.toml".into(), settings.into()).unwrap();
        let found: Vec<(String, Option<String>, bool)> = differing(crontab.as_bytes(), &settings)
            .into_iter()
            .map(|found| (found.name, found.line.schedule, found.follows))
            .collect();
        let five = Some("0 5 * * *".to_owned());
        assert_eq!(
            found,
            [
                ("mine".into(), five.clone(), false),
                ("moved".into(), five, true),
                ("new".into(), None, true)
            ]
        );
    }
}
