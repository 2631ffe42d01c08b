//! What the fuzz targets call: one function a target, which panics where a promise is broken.
//!
//! Compiled by cargo-fuzz only, and never part of the tool.

use std::path::Path;

use common::clock::Timestamp;
use common::name::Name;

use crate::crontab::{self, Wrapping};
use crate::schedule::{self, Schedule};
use crate::settings::Settings;
use crate::settings::edit::{Change, Edited, Editor};

/// A crontab: it comes back byte for byte, wrapping twice is wrapping once, and each job has a name of its own.
pub fn crontab(text: &[u8]) {
    let wrapping = Wrapping {
        guard: "/usr/local/bin/cron-guard",
        guard_with_places: "'/opt/my tools/cron-guard' --db '/srv/a b/state.db'",
        is_free: &|_, _| true,
    };
    let (plain, names_before) = crontab::unwrap(text);
    let wrapped = crontab::wrap(text, &wrapping);
    let (back, names) = crontab::unwrap(&wrapped.text);
    assert_eq!(back, plain, "a wrapped crontab comes back byte for byte");
    if names_before.is_empty() {
        assert_eq!(plain, text, "unwrapping leaves foreign lines alone");
    }
    assert_eq!(names.len(), names_before.len() + wrapped.jobs.len(), "each wrapped line is found");
    for named in &wrapped.jobs {
        assert!(named.name.parse::<Name>().is_ok(), "{:?} is a name", named.name);
        assert!(names.contains(&named.name), "{:?} is read back", named.name);
        assert_eq!(
            wrapped.jobs.iter().filter(|other| other.name == named.name).count(),
            1,
            "{:?} names one job",
            named.name
        );
    }
    let again = crontab::wrap(&wrapped.text, &wrapping);
    assert_eq!((again.text, again.jobs.len()), (wrapped.text, 0), "wrapping twice changes nothing");
}

/// Zones with and without summer time, on both halves of the earth, and one that skipped a day.
const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
];

/// Eight bytes of a moment, one of a zone, then a schedule: what is due next is later, what was due last is not.
pub fn schedule(input: &[u8]) {
    let Some((moment, rest)) = input.split_first_chunk::<8>() else { return };
    let Some((zone, text)) = rest.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let _ = schedule::zone(text);
    let Ok(schedule) = Schedule::parse(text) else { return };
    let named = ZONES.get(usize::from(*zone) % (ZONES.len() + 1));
    let schedule = schedule.in_zone(named.and_then(|name| schedule::zone(name).ok()));
    let any = i64::from_le_bytes(*moment);
    // Any moment at all, and one that a journal could have.
    for moment in [Timestamp(any), Timestamp(any.rem_euclid(4_102_444_800_000))] {
        if let Some(next) = schedule.next(moment) {
            assert!(next > moment, "{text:?} is next due at {next}, after {moment}");
        }
        if let Some(previous) = schedule.previous(moment) {
            assert!(previous <= moment, "{text:?} was last due at {previous}, up to {moment}");
        }
    }
}

/// A `guard.toml`: it is read or refused, and an edit is understood again and keeps every comment.
pub fn settings(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let path = Path::new("/guard.toml");
    let settings = match Settings::parse(path.to_path_buf(), text.to_owned()) {
        Ok(settings) => settings,
        Err(error) => {
            let _ = format!("{error:#}");
            return;
        }
    };
    let _ = settings.misdeclared();
    let jobs: Vec<&str> = settings.declared().collect();
    for job in &jobs {
        let own = settings.job(job);
        assert!(own.declared, "{job:?} is declared");
    }
    let mut editor = match Editor::parse(path, text) {
        Ok(editor) => editor,
        Err(error) => panic!("what was read can be edited: {error}"),
    };
    let changes = [
        Change::Text("owner", "somebody".to_owned()),
        Change::Number("threshold", 2),
        Change::Flag("crontab", true),
    ];
    let new = "added by the fuzz target";
    let is_new = !jobs.contains(&new);
    assert_eq!(editor.add(new, &changes) == Edited::Done, is_new);
    for job in &jobs {
        assert_eq!(editor.edit(job, &changes), Edited::Done, "{job:?} can be edited");
    }
    let edited = editor.text();
    // Without quotes in the file every `#` begins a comment.
    if !text.contains(['"', '\'']) {
        for comment in text.lines().filter_map(|line| line.find('#').and_then(|at| line.get(at..)))
        {
            assert!(edited.contains(comment), "{comment:?} is kept in {edited:?}");
        }
    }
    match Settings::parse(path.to_path_buf(), edited.clone()) {
        Ok(after) => {
            assert!(after.job(new).declared, "the new job is declared in {edited:?}");
            assert_eq!(after.declared().count(), jobs.len() + usize::from(is_new));
        }
        Err(error) => panic!("the edited file is understood: {error:#}\n{edited}"),
    }
    assert_eq!(editor.remove(new), Edited::Done);
    assert_eq!(editor.remove(new), Edited::Absent);
}
