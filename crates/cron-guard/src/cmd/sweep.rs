//! The sweep: evaluate every job, alert, write the pause instructions, print four lines.

use std::path::PathBuf;

use common::out::sanitize;
use common::{Exit, atomic, place, report};
use serde_json::json;

use super::{Ctx, is_stdout};
use crate::TOOL;
use crate::cli::SweepArgs;
use crate::exposed;
use crate::guard::Guard;
use crate::guard::fleet::Member;
use crate::handoff;
use crate::view::PROBATION;

pub(crate) fn run(args: &SweepArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    let settings = ctx.settings()?;
    let mut guard = ctx.guard(&settings)?;
    let members = guard.sweep()?;
    let document = handoff::document(&members, guard.named_db.as_deref(), Guard::now());
    let path = match &args.output {
        Some(path) => path.clone(),
        None => default_path()?,
    };
    if !args.quiet {
        let place = ctx.database().place()?;
        for finding in exposed::findings(&settings.path, place.file()) {
            report::warn(TOOL, &finding);
        }
    }
    let mut text = serde_json::to_vec_pretty(&document)?;
    text.push(b'\n');
    let prints_document = is_stdout(&path);
    if !prints_document {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            place::private_dir(folder)?;
        }
        atomic::write(&path, &text, 0o600)?;
    }
    let blocked: Vec<&Member> = members.iter().filter(|member| member.is_blocked()).collect();
    let late: Vec<&Member> = members.iter().filter(|member| member.is_late()).collect();
    let resumed: Vec<&Member> = members.iter().filter(|member| member.is_on_probation()).collect();
    let wrong: Vec<&Member> = members.iter().filter(|member| member.is_misdeclared()).collect();
    let n_healthy = members.iter().filter(|member| member.is_healthy()).count();
    if ctx.json {
        let mut document = document;
        if let Some(object) = document.as_object_mut() {
            object.insert("healthy".into(), json!(n_healthy));
            object.insert("late".into(), json!(names(&late)));
            object.insert("on_probation".into(), json!(names(&resumed)));
            object.insert("misdeclared".into(), json!(names(&wrong)));
            object.insert("output".into(), json!(path));
        }
        ctx.out.json(&document)?;
    } else if prints_document {
        ctx.out.bytes(&text)?;
    } else if !args.quiet {
        let jobs = if members.len() == 1 { "job" } else { "jobs" };
        ctx.out.line(format!("Checked: {} {jobs}", members.len()))?;
        ctx.out.line(format!("Healthy: {n_healthy}"))?;
        ctx.out.line(format!("Blocked: {}", listed(&blocked)))?;
        // Lines of their own only when there is something to say: scripts read the other four.
        if !resumed.is_empty() {
            ctx.out.line(format!("On probation: {}", listed(&resumed)))?;
        }
        if !late.is_empty() {
            ctx.out.line(format!("Late: {}", listed(&late)))?;
        }
        if !wrong.is_empty() {
            ctx.out.line(format!("Misdeclared: {}", listed(&wrong)))?;
        }
        ctx.out.line(format!("Pause instructions written to {}", place::for_people(&path)))?;
    }
    Ok(if n_healthy == members.len() { Exit::Done } else { Exit::No })
}

fn default_path() -> Result<PathBuf, common::Error> {
    place::in_home(".local/state/cron-guard/blocked.json")
}

fn names<'a>(members: &[&'a Member]) -> Vec<&'a str> {
    members.iter().map(|member| member.job.name.as_str()).collect()
}

/// The number of members, and each with its reason.
fn listed(members: &[&Member]) -> String {
    let names: Vec<String> = members
        .iter()
        .map(|member| {
            let reason = member.problem().unwrap_or_else(|| PROBATION.to_owned());
            format!("{} — {}", sanitize(&member.job.name), sanitize(&reason))
        })
        .collect();
    let list = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    format!("{}{list}", members.len())
}
