//! `backup`: a whole copy, also while others write.

use std::fs;
use std::path::Path;

use common::error::file;
use common::exit::Exit;
use serde_json::json;

use super::context::Ctx;
use crate::cli::upkeep::Backup;
use crate::error::Error;

pub(crate) fn run(args: &Backup, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let database = ctx.database.open_read_only()?;
    let Some(source) = database.file() else {
        return Err(Error::BackupOfServer { name: database.name().to_owned() }.into());
    };
    let is_the_database = match (args.file.canonicalize(), source.path().canonicalize()) {
        (Ok(target), Ok(source)) => target == source,
        _ => false,
    };
    if is_the_database || ctx.is_of_database(&args.file) {
        return Err(Error::BackupOntoItself { path: args.file.clone() }.into());
    }
    replaces_a_file_at_most(&args.file)?;
    let folder = match args.file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Born 0600 under another name; a reader sees the former backup or the new one.
    let temporary = tempfile::Builder::new()
        .prefix(".agent-state-backup-")
        .tempfile_in(folder)
        .map_err(file("write into", folder))?;
    let damage = source.copy_to(temporary.path())?;
    if let Some(damage) = damage.into_iter().next() {
        return Err(Error::Damaged { path: source.path().to_owned(), damage }.into());
    }
    temporary.as_file().sync_all().map_err(file("write", &args.file))?;
    let n_bytes = temporary.as_file().metadata().map_err(file("look at", &args.file))?.len();
    temporary.persist(&args.file).map_err(|error| file("write", &args.file)(error.error))?;
    if ctx.json {
        ctx.out.json(&json!({ "path": args.file.display().to_string(), "n_bytes": n_bytes }))?;
    }
    Ok(Exit::Done)
}

/// Refuses to replace what is no regular file: a named pipe or a device would be gone, and its reader wait.
fn replaces_a_file_at_most(target: &Path) -> Result<(), Error> {
    // What cannot be looked at cannot be written either, and says so then.
    let Ok(found) = fs::symlink_metadata(target) else { return Ok(()) };
    let what = match found.file_type() {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a directory",
        kind if kind.is_symlink() => "a link",
        _ => "no regular file",
    };
    Err(Error::BackupOntoNoFile { path: target.to_owned(), what })
}
