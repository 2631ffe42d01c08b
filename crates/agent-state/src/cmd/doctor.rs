//! `doctor`: one line a finding, with what to do about it.

use std::path::Path;
use std::time::Duration;

use common::exit::Exit;
use common::fleet::Database;
use common::fleet::runs::Run;
use common::out::sanitize;
use common::report::{Explain as _, Report};
use common::{clock, duration, environment, place};
use serde_json::json;

use super::context::Ctx;
use crate::error::Error;
use crate::store::doctor;

/// A WAL of this size is not shrinking any more.
const LARGE_WAL: u64 = 64 << 20;
/// With so little space the write-ahead log soon cannot grow.
const LITTLE_SPACE: u64 = 16 << 20;
/// A run that is alive and says nothing for so long deserves a look.
const SILENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// Clocks differ a little, between machines and over a time step.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// One thing that somebody should look at.
#[derive(Debug, serde::Serialize)]
struct Finding {
    check: &'static str,
    message: String,
    hint: String,
}

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, check: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Finding { check, message: message.into(), hint: hint.into() });
    }
}

pub(crate) fn run(ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let place = ctx.database.place()?;
    let mut findings = Findings::default();
    let mut engine = None;
    match ctx.database.open_read_only() {
        Ok(database) => {
            engine = database.engine().ok();
            look_inside(&database, ctx, &mut findings);
            drop(database);
            // What is damaged already is not written to.
            if findings.0.iter().all(|finding| finding.check != "integrity") {
                try_to_write(ctx, &mut findings);
            }
        }
        Err(error) => {
            let hint = error.hint().unwrap_or_else(|| "nothing works before this does".to_owned());
            findings.add("open", said(&error.into()), hint);
        }
    }
    if let Some(file) = place.file() {
        look_around(file, &mut findings);
    }
    look_at_environment(ctx, &mut findings);
    if ctx.json {
        ctx.out.json(&json!({
            "path": place.name().display().to_string(),
            "engine": engine,
            "sqlite": rusqlite::version(),
            "findings": findings.0,
        }))?;
    } else {
        for finding in &findings.0 {
            let line = format!("{}: {}; {}", finding.check, finding.message, finding.hint);
            ctx.out.line(sanitize(&line))?;
        }
        if findings.0.is_empty() {
            ctx.out.line(format_args!("all well: {}", common::place::for_people(place.name())))?;
        }
    }
    Ok(if findings.0.is_empty() { Exit::Done } else { Exit::No })
}

fn said(error: &anyhow::Error) -> String {
    Report::of::<Error>(error).message
}

fn look_inside(database: &Database, ctx: &Ctx, findings: &mut Findings) {
    match database.damage() {
        Ok(damage) => {
            for line in damage {
                findings.add("integrity", line, "keep the file, and restore a backup");
            }
        }
        Err(error) => {
            // What cannot be checked cannot be read for the rest either.
            let said = said(&error.into());
            return findings.add("integrity", said, "keep the file, and restore a backup");
        }
    }
    let now = clock::now();
    let leftovers = database.read("check", |connection| {
        doctor::leftovers(connection, now.minus(SILENCE), ctx.here(), now)
    });
    let leftovers = match leftovers {
        Ok(leftovers) => leftovers,
        Err(error) => {
            return findings.add(
                "integrity",
                said(&error.into()),
                "keep the file, and restore a backup",
            );
        }
    };
    if let Some(newest) = leftovers.newest_event.filter(|newest| *newest > now.plus(CLOCK_SLACK)) {
        let ahead = duration::human(newest.since(now));
        findings.add(
            "clock",
            format!("the newest event lies {ahead} in the future"),
            "set the clock of this machine; until then locks last longer than they should",
        );
    }
    for run in &leftovers.gone_runs {
        let reason = run.reason.as_deref().unwrap_or_default();
        findings.add(
            "runs",
            format!("{} is still marked as running ({reason})", name(run)),
            "agent-state run reap",
        );
    }
    for run in &leftovers.silent_runs {
        let silence = duration::human(now.since(run.heartbeat_at));
        let look = format!("agent-state run show {}", run.run_id);
        findings.add(
            "runs",
            format!("{} is alive and gave no sign for {silence}", name(run)),
            look,
        );
    }
    for grant in &leftovers.dead_locks {
        findings.add(
            "locks",
            format!("`{}` is {} and lapsed", grant.resource, grant.describe()),
            "nothing: whoever wants it next takes it away",
        );
    }
    if let Some(node) = leftovers.lapsed_nodes.first() {
        let who = match leftovers.lapsed_nodes.len() {
            1 => format!("`{}` has", node.id),
            n_nodes => format!("`{}` and {} more nodes have", node.id, n_nodes - 1),
        };
        findings.add(
            "tasks",
            format!("{who} a lease that lapsed"),
            "nothing: the next `agent-state task next` takes them back",
        );
    }
    for task in &leftovers.waiting_tasks {
        let silence = duration::human(now.since(task.changed_at));
        findings.add(
            "tasks",
            format!("`{}` is open and nobody has worked on it for {silence}", task.title()),
            format!("agent-state task status {}", task.task_id),
        );
    }
    if leftovers.n_unknown_actions > 0 {
        findings.add(
            "actions",
            format!("{} actions are unknown", leftovers.n_unknown_actions),
            "agent-state action list --state unknown",
        );
    }
}

fn try_to_write(ctx: &Ctx, findings: &mut Findings) {
    let tried = ctx
        .database
        .open()
        .and_then(|mut database| database.write("write to", doctor::try_to_write));
    if let Err(error) = tried {
        let hint = error.hint().unwrap_or_else(|| "only reading works before this does".to_owned());
        findings.add("write", said(&error.into()), hint);
    }
}

fn name(run: &Run) -> String {
    let who = run.agent.as_deref().or(run.job.as_deref()).unwrap_or("nobody");
    format!("run {} of {who}", run.run_id)
}

fn look_around(path: &Path, findings: &mut Findings) {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for place in [folder, path] {
        if let Ok(Some(mode)) = place::looser_than_private(place) {
            let private = if place == path { "600" } else { "700" };
            let place = place.display();
            findings.add(
                "permissions",
                format!("{place} has mode {mode:o}, so other users can look in"),
                format!("chmod {private} {place}"),
            );
        }
    }
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let n_bytes = std::fs::metadata(wal).map_or(0, |wal| wal.len());
    if n_bytes > LARGE_WAL {
        findings.add(
            "wal",
            format!("the write-ahead log has {} MiB", n_bytes >> 20),
            "end whoever reads the database without end; the next writes shrink it",
        );
    }
    if let Some(n_bytes) = free_space(folder).filter(|free| *free < LITTLE_SPACE) {
        findings.add(
            "file system",
            format!("{} has {} MiB free", folder.display(), n_bytes >> 20),
            "make room: without any, nothing can be recorded",
        );
    }
    if let Some(kind) = network_mount(folder) {
        findings.add(
            "file system",
            format!(
                "{} is a {kind} mount, where processes on two machines cannot share it",
                folder.display()
            ),
            "name a file on a local disk with AGENT_STATE_DB",
        );
    }
}

/// How many bytes can still be written under a folder.
fn free_space(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The kind of network file system under a folder, by its magic number.
#[cfg(target_os = "linux")]
fn network_mount(folder: &Path) -> Option<&'static str> {
    let magic = u32::try_from(rustix::fs::statfs(folder).ok()?.f_type & 0xFFFF_FFFF).ok()?;
    match magic {
        0x6969 => Some("NFS"),
        0xFF53_4D42 | 0xFE53_4D42 | 0x517B => Some("SMB"),
        0x0102_1997 => Some("9P"),
        0x5346_414F => Some("AFS"),
        0x00C3_6400 => Some("Ceph"),
        _ => None,
    }
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
fn network_mount(_folder: &Path) -> Option<&'static str> {
    None
}

fn look_at_environment(ctx: &Ctx, findings: &mut Findings) {
    let (Some(xdg), Ok(ours)) = (environment::os("XDG_STATE_HOME"), place::in_home(".local/state"))
    else {
        return;
    };
    if ctx.database.db.is_none() && Path::new(&xdg) != ours {
        findings.add(
            "environment",
            format!(
                "XDG_STATE_HOME is {}, and no tool of ours uses it, since cron does not have it",
                xdg.display()
            ),
            "leave it, or name the database with AGENT_STATE_DB in the shell and in the crontab",
        );
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn a_local_folder_is_no_network_mount() {
        assert_eq!(super::network_mount(std::path::Path::new("/proc")), None);
    }
}
