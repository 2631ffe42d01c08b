//! The sweep: evaluate every job, alert, write the pause instructions, print four lines.

use std::path::PathBuf;

use common::out::sanitize;
use common::{Exit, atomic, place};
use serde_json::json;

use super::Ctx;
use crate::cli::SweepArgs;
use crate::guard::Guard;
use crate::guard::fleet::Member;
use crate::handoff;

pub(crate) fn run(args: &SweepArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings = ctx.settings()?;
    settings.check_schedules()?;
    let mut guard = ctx.guard(&settings)?;
    let members = guard.sweep()?;
    let document = handoff::document(&members, guard.named_db.as_deref(), Guard::now());
    let path = match &args.output {
        Some(path) => path.clone(),
        None => default_path()?,
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        place::private_dir(folder)?;
    }
    let mut text = serde_json::to_vec_pretty(&document)?;
    text.push(b'\n');
    atomic::write(&path, &text, 0o600)?;
    let blocked: Vec<&Member> = members.iter().filter(|member| member.is_blocked()).collect();
    if ctx.json {
        let mut document = document;
        if let Some(object) = document.as_object_mut() {
            object.insert("healthy".into(), json!(members.len() - blocked.len()));
            object.insert("output".into(), json!(path));
        }
        ctx.out.json(&document)?;
    } else {
        print(ctx, members.len(), &blocked, &path)?;
    }
    Ok(if blocked.is_empty() { Exit::Done } else { Exit::No })
}

fn default_path() -> Result<PathBuf, common::Error> {
    place::in_home(".local/state/cron-guard/blocked.json")
}

fn print(
    ctx: &mut Ctx<'_>,
    n_jobs: usize,
    blocked: &[&Member],
    path: &std::path::Path,
) -> Result<(), common::Error> {
    let jobs = if n_jobs == 1 { "job" } else { "jobs" };
    ctx.out.line(format!("Checked: {n_jobs} {jobs}"))?;
    ctx.out.line(format!("Healthy: {}", n_jobs - blocked.len()))?;
    let names: Vec<String> = blocked
        .iter()
        .map(|member| {
            let reason = member.reason().unwrap_or("blocked");
            format!("{} — {}", sanitize(&member.job.name), sanitize(reason))
        })
        .collect();
    let list = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    ctx.out.line(format!("Blocked: {}{list}", blocked.len()))?;
    ctx.out.line(format!("Pause instructions written to {}", place::for_people(path)))
}
