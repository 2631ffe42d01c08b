//! Drives the real binary in a sandbox of its own: a temporary home, an empty environment.

#[cfg(test)]
#[path = "cli/sandbox.rs"]
mod sandbox;

#[cfg(test)]
#[path = "cli/gate.rs"]
mod gate;

#[cfg(test)]
#[path = "cli/exec.rs"]
mod exec;

#[cfg(test)]
#[path = "cli/journal.rs"]
mod journal;

#[cfg(test)]
#[path = "cli/alerts.rs"]
mod alerts;

#[cfg(test)]
#[path = "cli/fleet.rs"]
mod fleet;

#[cfg(test)]
#[path = "cli/people.rs"]
mod people;

#[cfg(test)]
#[path = "cli/cron.rs"]
mod cron;

#[cfg(test)]
#[path = "cli/crontab.rs"]
mod crontab;

#[cfg(test)]
#[path = "cli/corpus.rs"]
mod corpus;

#[cfg(test)]
#[path = "cli/night.rs"]
mod night;

#[cfg(test)]
#[path = "cli/undo.rs"]
mod undo;

#[cfg(test)]
#[path = "cli/killed.rs"]
mod killed;

#[cfg(test)]
#[path = "cli/page.rs"]
mod page;

#[cfg(test)]
#[path = "cli/disk.rs"]
mod disk;

#[cfg(test)]
#[path = "cli/doctor.rs"]
mod doctor;

#[cfg(test)]
#[path = "cli/told.rs"]
mod told;
