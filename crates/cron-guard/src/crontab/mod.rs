//! A user's crontab: its job lines get the guard in front, and lose it again byte for byte.
//!
//! Pure: text in, text out. A line that is not understood stays as it is and is named; nothing that
//! cron itself would read differently is touched. `line` knows the forms of a line, `name` what a
//! job is called.

pub(crate) mod declared;
mod line;
mod name;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use line::{Guarded, Line};

pub(crate) use line::quote_word;

/// The end of a wrapped command, for people and for the way back.
pub(crate) const MARKER: &str = " # guarded by cron-guard";

/// What a wrapped line names.
pub(crate) struct Wrapping<'a> {
    /// The guard and the flags that it needs here, as one text for sh.
    pub(crate) guard: &'a str,
    /// The flags that are needed where the crontab sets another home directory.
    pub(crate) guard_with_places: &'a str,
    /// Whether `name` may be given to a job with this schedule.
    pub(crate) is_free: &'a dyn Fn(&str, &Job) -> bool,
}

/// A job of the crontab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// As in guard.toml; `None` for `@reboot`.
    pub(crate) schedule: Option<String>,
    /// The zone that `CRON_TZ` names.
    pub(crate) tz: Option<String>,
}

impl Job {
    /// `0 2 * * * in Europe/Berlin`.
    pub(crate) fn in_words(&self) -> String {
        let schedule = self.schedule.as_deref().unwrap_or("@reboot");
        match &self.tz {
            Some(tz) => format!("{schedule} in {tz}"),
            None => schedule.to_owned(),
        }
    }
}

/// A line that became a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) job: Job,
}

/// A crontab with the guard in front of its jobs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wrapped {
    pub(crate) text: Vec<u8>,
    /// The lines that were wrapped now.
    pub(crate) jobs: Vec<Named>,
    /// Lines that had the guard already.
    pub(crate) n_guarded: usize,
    /// Lines that could not be read: their number and why.
    pub(crate) unread: Vec<(usize, String)>,
}

/// Puts the guard in front of every job line that can be read.
pub(crate) fn wrap(crontab: &[u8], wrapping: &Wrapping<'_>) -> Wrapped {
    let mut wrapped = Wrapped::default();
    let mut taken: BTreeSet<String> =
        lines(crontab).filter_map(|(text, _)| Guarded::parse(text).map(|line| line.name)).collect();
    let mut shell = "/bin/sh".to_owned();
    let mut tz = None;
    let mut has_home = false;
    for (number, (text, ending)) in (1..).zip(lines(crontab)) {
        match Line::parse(text) {
            Line::Variable { name, value } => {
                match name {
                    "SHELL" => value.clone_into(&mut shell),
                    "CRON_TZ" => tz = Some(value.to_owned()).filter(|tz| !tz.is_empty()),
                    "HOME" => has_home = true,
                    _ => {}
                }
                wrapped.text.extend_from_slice(text);
            }
            Line::Job(line) => {
                let job = Job { schedule: line.schedule.clone(), tz: tz.clone() };
                let name = name::of(line.command, |name| {
                    !taken.contains(name) && (wrapping.is_free)(name, &job)
                });
                let guard = if has_home { wrapping.guard_with_places } else { wrapping.guard };
                let new = line.guarded(guard, &name, &shell);
                // A shell of an odd name, as one with a NUL in it, cannot be quoted for the way back.
                let back = Guarded::parse(new.as_bytes());
                if back.is_none_or(|back| back.name != name || back.original.as_bytes() != text) {
                    let why = "the guard could not be taken away from it again";
                    wrapped.unread.push((number, why.to_owned()));
                    wrapped.text.extend_from_slice(text);
                    wrapped.text.extend_from_slice(ending);
                    continue;
                }
                wrapped.text.extend_from_slice(new.as_bytes());
                taken.insert(name.clone());
                wrapped.jobs.push(Named { name, job });
            }
            Line::Guarded => {
                wrapped.n_guarded += 1;
                wrapped.text.extend_from_slice(text);
            }
            Line::Other => wrapped.text.extend_from_slice(text),
            Line::Unread(why) => {
                wrapped.unread.push((number, why));
                wrapped.text.extend_from_slice(text);
            }
        }
        wrapped.text.extend_from_slice(ending);
    }
    wrapped
}

/// Takes the guard away where [`wrap`] put it. Returns the text and the names of the jobs.
pub(crate) fn unwrap(crontab: &[u8]) -> (Vec<u8>, Vec<String>) {
    let mut text = Vec::new();
    let mut names = Vec::new();
    for (line, ending) in lines(crontab) {
        match Guarded::parse(line) {
            Some(guarded) => {
                text.extend_from_slice(guarded.original.as_bytes());
                names.push(guarded.name);
            }
            None => text.extend_from_slice(line),
        }
        text.extend_from_slice(ending);
    }
    (text, names)
}

/// The lines of a crontab, each with its line break, so that nothing is lost.
fn lines(crontab: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    crontab.split_inclusive(|byte| *byte == b'\n').map(|line| match line.split_last() {
        Some((b'\n', text)) => (text, &b"\n"[..]),
        _ => (line, &b""[..]),
    })
}
