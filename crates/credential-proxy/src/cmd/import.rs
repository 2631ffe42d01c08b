//! `import`: an export goes into the vault, whole or not at all, and the file goes away.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use common::exit::Exit;
use common::out::sanitize;
use common::place::{self, for_people};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Context;
use crate::cli::{ImportArgs, ImportChromeArgs, ImportHowArgs, OnConflict};
use crate::error::Error;
use crate::import::plan::{self, Conflicts, Plan};
use crate::import::{self, Export, Format, MAX_FILE, ReadError};

/// The file of an export, opened once; what is deleted at the end is this very file.
struct Source {
    path: PathBuf,
    /// Device, inode, size and time of the last change; `None` for stdin.
    identity: Option<(u64, u64, u64, i64, i64)>,
}

pub(super) fn run(args: &ImportArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let (format, path) = match args.what.as_slice() {
        [path] => (None, PathBuf::from(path)),
        [format, path] => {
            let word = format.to_string_lossy();
            let format = Format::parse(&word).ok_or_else(|| Error::Usage {
                message: format!("`{}` is no format; write one of chrome, firefox, safari, bitwarden, 1password, keepassxc, lastpass, env, hermes", word.escape_default()),
            })?;
            (Some(format), PathBuf::from(path))
        }
        _ => return Err(Error::Usage { message: "name one file".to_owned() }.into()),
    };
    import(context, format, &path, &args.how)
}

pub(super) fn run_chrome(args: &ImportChromeArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let path = match &args.file {
        Some(path) => path.clone(),
        None => place::in_home("Downloads/Google Passwords.csv")?,
    };
    import(context, Some(Format::Chrome), &path, &args.how)
}

/// The whole of an import, also for `bootstrap`.
pub(super) fn import(
    context: &mut Context,
    format: Option<Format>,
    path: &Path,
    how: &ImportHowArgs,
) -> anyhow::Result<Exit> {
    let mut vault = context.vault()?;
    let (export, source) = read(path, format)?;
    let now = Context::now();
    let conflicts = match how.on_conflict {
        OnConflict::KeepBoth => Conflicts::KeepBoth,
        OnConflict::Skip => Conflicts::Skip,
        OnConflict::Replace => Conflicts::Replace,
    };
    if how.dry_run {
        let opened = vault.credentials()?;
        let plan = plan::plan(opened.rows, &export.rows, conflicts, now);
        report(context, &export, &plan, path, how, &Kept::DryRun)?;
        return Ok(Exit::Done);
    }
    let plan = vault.change(|change| {
        let plan = plan::plan(change.credentials()?, &export.rows, conflicts, now);
        let mut progress = Progress::new(plan.new.len() + plan.changed.len());
        for one in &plan.changed {
            change.update(one)?;
            progress.step();
        }
        for one in &plan.new {
            change.insert(one)?;
            progress.step();
        }
        Ok(plan)
    })?;
    drop(vault);
    context.announce_change()?;
    let kept = finish(context, &export, &plan, &source, how)?;
    report(context, &export, &plan, path, how, &kept)?;
    Ok(Exit::Done)
}

/// Reads the file, and remembers which file it was.
fn read(path: &Path, format: Option<Format>) -> Result<(Export, Source), Error> {
    let failed = |problem: ReadError| {
        let hint = match problem {
            ReadError::UnknownHeader => {
                Some("name the format, as in `credential-proxy import chrome FILE`".to_owned())
            }
            ReadError::NotText { .. } => Some("save it as UTF-8".to_owned()),
            ReadError::TooLarge | ReadError::TooManyRows => Some(
                "check that it is the right file; if it is, split it and repeat its header line"
                    .to_owned(),
            ),
            _ => None,
        };
        Error::Import { path: path.to_path_buf(), problem: problem.to_string(), hint }
    };
    if format == Some(Format::Hermes) || (format.is_none() && path.is_dir()) {
        if format.is_none() && !import::is_hermes(path, b"") {
            return Err(failed(ReadError::NotThisFormat("any known program")));
        }
        return Ok((
            import::read_hermes(path).map_err(failed)?,
            Source { path: path.to_path_buf(), identity: None },
        ));
    }
    let too_large = || failed(ReadError::TooLarge);
    let mut bytes = Zeroizing::new(Vec::new());
    let identity = if path == Path::new("-") {
        io::stdin()
            .lock()
            .take(MAX_FILE + 1)
            .read_to_end(&mut bytes)
            .map_err(common::error::file("read", "standard input"))?;
        None
    } else {
        let mut file = File::open(path).map_err(common::error::file("open", path))?;
        let found = file.metadata().map_err(common::error::file("look at", path))?;
        if found.is_dir() {
            return Err(failed(ReadError::NotThisFormat("a single file")));
        }
        let identity =
            Some((found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()));
        let mut read = |len: u64, bytes: &mut Vec<u8>| {
            (&mut file).take(len).read_to_end(bytes).map_err(common::error::file("read", path))
        };
        read(import::ARCHIVE.len() as u64, &mut bytes)?;
        if bytes.as_slice() == import::ARCHIVE {
            let export = import::read_archive(file, format).map_err(failed)?;
            return Ok((export, Source { path: path.to_path_buf(), identity }));
        }
        if found.size() > MAX_FILE {
            return Err(too_large());
        }
        bytes.reserve_exact(usize::try_from(found.size()).unwrap_or(0));
        read(MAX_FILE + 1, &mut bytes)?;
        identity
    };
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large());
    }
    if format.is_none() && import::is_hermes(path, bytes.get(..16).unwrap_or_default()) {
        return Ok((
            import::read_hermes(path).map_err(failed)?,
            Source { path: path.to_path_buf(), identity: None },
        ));
    }
    let export = import::read(&bytes, format, path).map_err(failed)?;
    Ok((export, Source { path: path.to_path_buf(), identity }))
}

/// What became of the file.
enum Kept {
    Deleted,
    DryRun,
    Because(String),
}

/// Reads everything back from the vault and deletes the file when nothing is missing.
fn finish(
    context: &Context,
    export: &Export,
    plan: &Plan,
    source: &Source,
    how: &ImportHowArgs,
) -> Result<Kept, Error> {
    let stored = context.vault()?.credentials()?;
    let skipped: Vec<u64> = plan.skipped.iter().map(|one| one.line).collect();
    let missing: Vec<u64> = plan::missing_from(&stored.rows, &export.rows)
        .into_iter()
        .filter(|line| !skipped.contains(line))
        .collect();
    if !missing.is_empty() {
        return Err(Error::Import {
            path: source.path.clone(),
            problem: format!("{} of its rows did not come back as they were", missing.len()),
            hint: Some("the file was kept; run `credential-proxy verify`".to_owned()),
        });
    }
    let n_skipped = export.skipped.len() + plan.skipped.len();
    if how.keep {
        return Ok(Kept::Because("--keep was given".to_owned()));
    }
    if export.format == Format::Hermes {
        return Ok(Kept::Because("it is the store of another program".to_owned()));
    }
    let Some(identity) = source.identity else {
        return Ok(Kept::Because("it is no file".to_owned()));
    };
    if n_skipped > 0 {
        return Ok(Kept::Because(format!(
            "{n_skipped} row{} skipped",
            if n_skipped == 1 { " was" } else { "s were" }
        )));
    }
    if export.rows.is_empty() {
        return Ok(Kept::Because("nothing was in it".to_owned()));
    }
    if let Some(what) = export.left {
        return Ok(Kept::Because(what.to_owned()));
    }
    let found =
        source.path.symlink_metadata().map_err(common::error::file("look at", &source.path))?;
    if found.is_symlink() {
        return Ok(Kept::Because("it is a symbolic link".to_owned()));
    }
    if (found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec()) != identity {
        return Ok(Kept::Because("it has changed since it was read".to_owned()));
    }
    match std::fs::remove_file(&source.path) {
        Ok(()) => Ok(Kept::Deleted),
        Err(error) => Ok(Kept::Because(format!("it could not be deleted: {error}"))),
    }
}

fn report(
    context: &mut Context,
    export: &Export,
    plan: &Plan,
    path: &Path,
    how: &ImportHowArgs,
    kept: &Kept,
) -> anyhow::Result<()> {
    let n_rows = export.rows.len() + export.skipped.len();
    let mut skipped: Vec<_> = export.skipped.iter().chain(&plan.skipped).collect();
    skipped.sort_by_key(|one| one.line);
    if context.json {
        let because = match kept {
            Kept::Because(why) => Value::from(why.as_str()),
            Kept::Deleted | Kept::DryRun => Value::Null,
        };
        context.out.json(&json!({
            "file": path.display().to_string(),
            "format": export.format.word(),
            "rows": n_rows,
            "imported": plan.new.len(),
            "merged": plan.n_merged,
            "replaced": plan.n_replaced,
            "conflicts": plan.conflicts.iter().map(|one| json!({ "line": one.line, "service": one.service, "username": one.username })).collect::<Vec<_>>(),
            "skipped": skipped.iter().map(|one| json!({ "line": one.line, "reason": one.reason })).collect::<Vec<_>>(),
            "dry_run": how.dry_run,
            "deleted": matches!(kept, Kept::Deleted),
            "kept_because": because,
        }))?;
        return Ok(());
    }
    let out = &mut context.out;
    let shown = sanitize(&for_people(path)).into_owned();
    let would = if how.dry_run { "would import" } else { "imported" };
    out.line(format_args!(
        "{would} {} of {n_rows} rows of {shown} ({})",
        plan.new.len(),
        export.format.word()
    ))?;
    if plan.n_merged > 0 {
        out.line(format_args!(
            "  {} merged into the same account with the same password",
            plan.n_merged
        ))?;
    }
    if plan.n_replaced > 0 {
        out.line(format_args!("  {} put in the place of an older password", plan.n_replaced))?;
    }
    if !plan.conflicts.is_empty() {
        let what = match how.on_conflict {
            OnConflict::KeepBoth => "kept beside the same account with another password",
            OnConflict::Skip => "of an account that is there with another password",
            OnConflict::Replace => "of an account that was there with another password",
        };
        out.line(format_args!("  {} {what}:", plan.conflicts.len()))?;
        for one in &plan.conflicts {
            out.line(format_args!(
                "    line {}: {} {}",
                one.line,
                sanitize(&one.service),
                sanitize(&one.username)
            ))?;
        }
    }
    if !skipped.is_empty() {
        let were = if how.dry_run { "would be skipped" } else { "skipped" };
        out.line(format_args!("  {} {were}:", skipped.len()))?;
        for one in &skipped {
            out.line(format_args!("    line {}: {}", one.line, one.reason))?;
        }
    }
    match kept {
        Kept::Deleted => out.line(format_args!("deleted {shown}; copies in the trash, in backups and in synchronized folders are still there"))?,
        Kept::DryRun => out.line("nothing was changed")?,
        Kept::Because(why) => out.line(format_args!("kept {shown}: {why}"))?,
    }
    Ok(())
}

/// A line on a terminal that shows how far a large import is.
struct Progress {
    done: usize,
    total: usize,
    shows: bool,
}

impl Progress {
    fn new(total: usize) -> Self {
        Self { done: 0, total, shows: total >= 2000 && io::stderr().is_terminal() }
    }

    fn step(&mut self) {
        self.done += 1;
        if !self.shows || (!self.done.is_multiple_of(1000) && self.done != self.total) {
            return;
        }
        let width = 40 * self.done / self.total;
        let bar: String = (0..40).map(|place| if place < width { '#' } else { '.' }).collect();
        let _ = write!(io::stderr(), "\r[{bar}] {} of {}", self.done, self.total);
        if self.done == self.total {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
    }
}
