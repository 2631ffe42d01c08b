//! `crontab`: the guard in front of every line of the user's crontab, and back again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::clock::Timestamp;
use common::error::file;
use common::{Error as CommonError, Exit, atomic, place, report};
use serde_json::json;

use super::Ctx;
use crate::TOOL;
use crate::alert::channel::run_with_input;
use crate::cli::CrontabArgs;
use crate::crontab::declared::{Differing, differing};
use crate::crontab::{self, Job, Named, Wrapped, Wrapping, quote_word};
use crate::error::Error;
use crate::guard::Guard;
use crate::settings::Settings;
use crate::settings::edit::{self, Change, Edited, Editor};

/// How long crontab(1) may take.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

pub(crate) fn run(args: &CrontabArgs, ctx: &mut Ctx<'_>) -> anyhow::Result<Exit> {
    // Only what is written takes its turn; a preview reads.
    let writes = (args.act.install || args.act.uninstall) && !args.dry_run;
    let (settings, _turn) = if writes {
        let (settings, turn) = ctx.settings_to_add()?;
        (settings, Some(turn))
    } else {
        (ctx.settings_or_new()?, None)
    };
    let before = read(args.file.as_deref())?;
    if args.act.uninstall {
        return uninstall(args, &settings, &before, ctx);
    }
    let wrapped = wrap(&before, &settings, ctx)?;
    let (stale, kept): (Vec<_>, Vec<_>) =
        differing(&before, &settings).into_iter().partition(|found| found.follows);
    for (number, why) in &wrapped.unread {
        report::warn(TOOL, &format!("line {number} stays as it is: {why}"));
    }
    if !args.act.install {
        if ctx.json {
            summary(ctx, &wrapped, &[], None)?;
        } else {
            ctx.out.bytes(&wrapped.text)?;
        }
        return Ok(Exit::Done);
    }
    for found in &kept {
        let line = found.line.in_words();
        let left = format!("{} is declared otherwise than its line says: {line}", found.name);
        report::warn(TOOL, &left);
    }
    if args.dry_run {
        show_difference(ctx, &before, &wrapped.text, &stale)?;
        return Ok(Exit::Done);
    }
    if !wrapped.jobs.is_empty() || !stale.is_empty() {
        declare(&settings, &wrapped.jobs, &stale)?;
    }
    let backup = if wrapped.jobs.is_empty() {
        None
    } else {
        Some(install(args, &before, &wrapped.text).inspect_err(|_| undeclare(&settings))?)
    };
    summary(ctx, &wrapped, &stale, backup.as_deref())?;
    Ok(Exit::Done)
}

/// Writes the wrapped crontab, and returns where the one before is kept.
fn install(args: &CrontabArgs, before: &[u8], text: &[u8]) -> anyhow::Result<PathBuf> {
    let backup = back_up(before, Guard::now())?;
    write(args.file.as_deref(), text)?;
    Ok(backup)
}

/// The crontab is as it was, so the declarations are, too.
fn undeclare(before: &Settings) {
    if let Err(error) = edit::restore(before) {
        report::warn(TOOL, &format!("the jobs stay declared: {error}"));
    }
}

fn wrap(before: &[u8], settings: &Settings, ctx: &Ctx<'_>) -> anyhow::Result<Wrapped> {
    // Cron's PATH is short, so the guard is named by the place from which it runs now.
    let program = std::env::current_exe()
        .map_err(|source| CommonError::Process { doing: "find this program", source })?;
    let mut guard = quote_word(&program.display().to_string());
    let database = match ctx.database().place()?.file() {
        Some(file) => absolute(file)?,
        None => ctx.named_db().unwrap_or_default(),
    };
    let database = quote_word(&database.display().to_string());
    let config = quote_word(&absolute(&settings.path)?.display().to_string());
    let places = format!(" --db {database} --config {config}");
    let guard_with_places = format!("{guard}{places}");
    if ctx.has_named_places() {
        guard.push_str(&places);
    }
    let is_free = |name: &str, job: &Job| {
        let own = settings.job(name);
        !own.declared || (own.schedule == job.schedule && own.tz == job.tz)
    };
    Ok(crontab::wrap(
        before,
        &Wrapping { guard: &guard, guard_with_places: &guard_with_places, is_free: &is_free },
    ))
}

fn absolute(path: &Path) -> Result<PathBuf, CommonError> {
    std::path::absolute(path).map_err(file("find", path))
}

fn uninstall(
    args: &CrontabArgs,
    settings: &Settings,
    before: &[u8],
    ctx: &mut Ctx<'_>,
) -> anyhow::Result<Exit> {
    let (after, names) = crontab::unwrap(before);
    if args.dry_run {
        show_difference(ctx, before, &after, &[])?;
        return Ok(Exit::Done);
    }
    if !names.is_empty() {
        back_up(before, Guard::now())?;
        write(args.file.as_deref(), &after)?;
        withdraw(settings, &names)?;
    }
    if ctx.json {
        ctx.out.json(&json!({ "unwrapped": names }))?;
    } else {
        ctx.out.line(format!("Unwrapped: {}", names.len()))?;
    }
    Ok(Exit::Done)
}

/// The user's crontab; empty when there is none.
fn read(given: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    if let Some(path) = given {
        return Ok(fs::read(path).map_err(file("read", path))?);
    }
    let output = Command::new("crontab")
        .arg("-l")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| CommonError::Spawn { command: "crontab".into(), source })?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && !said.contains("no crontab") {
        return Err(Error::CrontabRead { reason: said.trim().to_owned() }.into());
    }
    Ok(output.stdout)
}

fn write(given: Option<&Path>, text: &[u8]) -> anyhow::Result<()> {
    if let Some(path) = given {
        let mode = fs::metadata(path).map_or(0o600, |file| {
            std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777
        });
        atomic::write(path, text, mode)?;
        return Ok(());
    }
    let mut command = Command::new("crontab");
    command.arg("-");
    run_with_input(command, text, TIMEOUT).map_err(|reason| Error::Crontab { reason }.into())
}

/// Keeps a copy of the crontab before it is changed.
fn back_up(text: &[u8], now: Timestamp) -> Result<PathBuf, CommonError> {
    let folder = place::in_home(".local/state/cron-guard")?;
    place::private_dir(&folder)?;
    let stamp = now.to_utc().format("%Y%m%dT%H%M%S%.3fZ");
    let path = folder.join(format!("crontab-{stamp}.backup"));
    atomic::write(&path, text, 0o600)?;
    Ok(path)
}

/// Declares the jobs with their schedules, and brings the declarations of edited lines up to date. What a
/// person declared stays as it is.
fn declare(settings: &Settings, jobs: &[Named], stale: &[Differing]) -> anyhow::Result<()> {
    let mut editor = Editor::parse(&settings.path, settings.text())?;
    for named in jobs {
        editor.add(&named.name, &declaration(&named.job));
    }
    for found in stale {
        let changes = declaration(&found.line);
        if editor.edit(&found.name, &changes) == Edited::Absent {
            editor.add(&found.name, &changes);
        }
    }
    editor.save(&settings.path)
}

fn declaration(job: &Job) -> [Change; 3] {
    let text = |key, text: &Option<String>| match text {
        Some(text) => Change::Text(key, text.clone()),
        None => Change::Remove(key),
    };
    [Change::Flag("crontab", true), text("schedule", &job.schedule), text("tz", &job.tz)]
}

/// Takes back the declarations that [`declare`] made, unless somebody has added to them since.
fn withdraw(settings: &Settings, names: &[String]) -> anyhow::Result<()> {
    if !settings.exists {
        return Ok(());
    }
    let mut editor = Editor::parse(&settings.path, settings.text())?;
    for name in names {
        if editor.has_only(name, &["crontab", "schedule", "tz"]) {
            editor.remove(name);
        } else if settings.job(name).declared {
            let left = format!("{name} stays declared in guard.toml, since its table was edited");
            report::warn(TOOL, &left);
        }
    }
    editor.save(&settings.path)
}

fn summary(
    ctx: &mut Ctx<'_>,
    wrapped: &Wrapped,
    stale: &[Differing],
    backup: Option<&Path>,
) -> Result<(), CommonError> {
    if ctx.json {
        let describe =
            |name: &str, job: &Job| json!({ "job": name, "schedule": job.schedule, "tz": job.tz });
        let jobs: Vec<_> =
            wrapped.jobs.iter().map(|named| describe(&named.name, &named.job)).collect();
        let updated: Vec<_> =
            stale.iter().map(|found| describe(&found.name, &found.line)).collect();
        let unread: Vec<_> = wrapped
            .unread
            .iter()
            .map(|(line, why)| json!({ "line": line, "reason": why }))
            .collect();
        return ctx.out.json(&json!({
            "wrapped": jobs, "already": wrapped.n_guarded, "updated": updated, "unread": unread,
            "backup": backup,
            "crontab": String::from_utf8_lossy(&wrapped.text),
        }));
    }
    for named in &wrapped.jobs {
        let schedule = named.job.schedule.as_deref().unwrap_or("@reboot");
        ctx.out.line(format!("{}: {schedule}", named.name))?;
    }
    for found in stale {
        ctx.out.line(format!("{}: {} (edited)", found.name, found.line.in_words()))?;
    }
    ctx.out.line(format!("Wrapped: {}", wrapped.jobs.len()))?;
    if !stale.is_empty() {
        ctx.out.line(format!("Declared anew: {}", stale.len()))?;
    }
    if let Some(backup) = backup {
        ctx.out.line(format!("Backup: {}", place::for_people(backup)))?;
    }
    Ok(())
}

/// The lines that differ, old and new, and the declarations that would follow their lines.
fn show_difference(
    ctx: &mut Ctx<'_>,
    before: &[u8],
    after: &[u8],
    stale: &[Differing],
) -> Result<(), CommonError> {
    let declared = |found: &Differing| {
        found.declared.as_ref().map_or_else(|| "none".to_owned(), Job::in_words)
    };
    // Both have the same number of lines: wrapping changes lines and moves none.
    if ctx.json {
        let lines = before.split(|b| *b == b'\n').zip(after.split(|b| *b == b'\n'));
        let text = |line| String::from_utf8_lossy(line).into_owned();
        let changes: Vec<_> = lines
            .filter(|(old, new)| old != new)
            .map(|(old, new)| json!({ "before": text(old), "after": text(new) }))
            .collect();
        let declarations: Vec<_> = stale
            .iter()
            .map(|found| json!({ "job": found.name, "before": declared(found), "after": found.line.in_words() }))
            .collect();
        return ctx.out.json(&json!({ "changes": changes, "declarations": declarations }));
    }
    for (old, new) in before.split(|b| *b == b'\n').zip(after.split(|b| *b == b'\n')) {
        if old != new {
            ctx.out.line(format!("-{}", String::from_utf8_lossy(old)))?;
            ctx.out.line(format!("+{}", String::from_utf8_lossy(new)))?;
        }
    }
    for found in stale {
        let (was, is) = (declared(found), found.line.in_words());
        ctx.out.line(format!("guard.toml: {}: {was} becomes {is}", found.name))?;
    }
    Ok(())
}
