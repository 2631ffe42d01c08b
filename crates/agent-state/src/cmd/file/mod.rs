//! `file …`: files that are replaced only by who has seen what is in them.

mod put;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use common::exit::Exit;
use common::table::Columns;
use serde_json::{Map, Value, json};

use super::context::Ctx;
use crate::cli::file::{Diff, Log, Verb};
use crate::disk::{self, FileVersion};
use crate::error::Error;
use crate::store::files;

pub(crate) fn run(verb: &Verb, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    match verb {
        Verb::Get(args) => get(&args.path, ctx),
        Verb::Put(args) => put::put(args, ctx),
        Verb::Log(args) => log(args, ctx),
        Verb::Restore(args) => put::restore(args, ctx),
        Verb::Diff(args) => diff(args, ctx),
    }
}

/// The place of a file that can be guarded: any but those of the fleet database.
///
/// A process that opens and closes them by itself takes SQLite's own locks away from its other threads.
fn locate(named: &Path, ctx: &Ctx) -> anyhow::Result<PathBuf> {
    let path = disk::locate(named)?;
    if ctx.is_of_database(&path) {
        return Err(Error::NotAFile { path, what: "part of the fleet database" }.into());
    }
    Ok(path)
}

/// The text of a located path: the name of its lock and of its history.
fn text(path: &Path) -> anyhow::Result<&str> {
    Ok(path
        .to_str()
        .ok_or_else(|| Error::NotAFile { path: path.to_owned(), what: "not named in UTF-8" })?)
}

fn get(named: &Path, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let path = locate(named, ctx)?;
    let Some(content) = disk::read(&path)? else {
        return Err(Error::NoFile { path }.into());
    };
    if ctx.json {
        let mut facts = Map::new();
        facts.insert("path".into(), path.display().to_string().into());
        facts.insert("version".into(), content.version.as_str().into());
        facts.insert("n_bytes".into(), content.bytes.len().into());
        match String::from_utf8(content.bytes) {
            Ok(text) => facts.insert("content".into(), text.into()),
            Err(error) => facts.insert("content_hex".into(), disk::hex(error.as_bytes()).into()),
        };
        ctx.out.json(&Value::Object(facts))?;
    } else {
        ctx.out.bytes(&content.bytes)?;
        ctx.out.flush()?;
        // The version is for the script that reads stderr; a closed one has not asked for it.
        let _ = writeln!(std::io::stderr(), "{}", content.version.as_str());
    }
    Ok(Exit::Done)
}

fn log(args: &Log, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let path = locate(&args.path, ctx)?;
    let name = text(&path)?;
    let (kept, now) = ctx
        .read("read a file's log in", |connection, now| Ok((files::log(connection, name)?, now)))?;
    let on_disk = disk::read(&path)?.map(|content| content.version);
    let is_current = |version: &FileVersion| on_disk.as_ref() == Some(version);
    let newest_is_current = kept.first().is_some_and(|kept| is_current(&kept.version));
    if ctx.json {
        if let Some(version) = on_disk.as_ref().filter(|_| !newest_is_current) {
            ctx.out.json(&json!({ "path": name, "version": version, "origin": "disk" }))?;
        }
        for kept in &kept {
            ctx.out.json(kept)?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["VERSION", "NOTED", "HOW", "AGENT", "RUN", "BYTES"]);
    if let Some(version) = on_disk.as_ref().filter(|_| !newest_is_current) {
        let dash = || "-".to_owned();
        table.row([
            short(version),
            dash(),
            "on disk, not noted yet".to_owned(),
            dash(),
            dash(),
            dash(),
        ]);
    }
    for kept in kept {
        table.row([
            short(&kept.version),
            ctx.moment(kept.noted_at, now),
            kept.origin.as_str().to_owned(),
            kept.agent.unwrap_or_else(|| "-".to_owned()),
            kept.run_id.map_or_else(|| "-".to_owned(), |run| run.to_string()),
            kept.n_bytes.to_string(),
        ]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}

/// As much of a version as a person needs.
fn short(version: &FileVersion) -> String {
    version.as_str().chars().take(12).collect()
}

fn diff(args: &Diff, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let path = locate(&args.path, ctx)?;
    let name = text(&path)?.to_owned();
    let kept = |ctx: &Ctx, version: &str| {
        ctx.read("read a file's versions in", |connection, _| {
            files::content(connection, &name, version)
        })
    };
    let (old_version, old) = kept(ctx, args.old.as_str())?;
    let (new_version, new) = match &args.new {
        Some(version) => kept(ctx, version.as_str())?,
        None => match disk::read(&path)? {
            Some(content) => (content.version, content.bytes),
            None => return Err(Error::NoFile { path }.into()),
        },
    };
    let (old, new) = (String::from_utf8_lossy(&old), String::from_utf8_lossy(&new));
    let diff = similar::TextDiff::from_lines(old.as_ref(), new.as_ref());
    let text = diff
        .unified_diff()
        .header(
            &format!("{name} {}", short(&old_version)),
            &format!("{name} {}", short(&new_version)),
        )
        .to_string();
    if ctx.json {
        ctx.out
            .json(&json!({ "path": name, "from": old_version, "to": new_version, "diff": text }))?;
    } else {
        // Each line by itself, so that a content cannot speak to the terminal.
        for line in text.lines() {
            ctx.out.line(common::out::sanitize(line))?;
        }
    }
    Ok(Exit::Done)
}
