//! `import`: an export goes into the vault, whole or not at all, and the file goes away.

mod file;
mod report;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use common::exit::Exit;
use common::place;

use self::file::Kept;
pub(super) use self::report::Report;
use super::Context;
use crate::audit::Deed;
use crate::cli::{ImportArgs, ImportChromeArgs, ImportHowArgs, OnConflict};
use crate::error::{Error, count};
use crate::import::plan::{self, Conflicts, Plan};
use crate::import::{Export, Format};

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
    import(context, format, &path, &args.how, tell)
}

pub(super) fn run_chrome(args: &ImportChromeArgs, context: &mut Context) -> anyhow::Result<Exit> {
    let path = match &args.file {
        Some(path) => path.clone(),
        None => place::in_home("Downloads/Google Passwords.csv")?,
    };
    import(context, Some(Format::Chrome), &path, &args.how, tell)
}

fn tell(report: &Report<'_>, context: &mut Context) -> anyhow::Result<Exit> {
    report.tell(context)
}

/// The whole of an import, also for `bootstrap`; `tell` says how it went.
pub(super) fn import(
    context: &mut Context,
    format: Option<Format>,
    path: &Path,
    how: &ImportHowArgs,
    tell: impl FnOnce(&Report<'_>, &mut Context) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let mut vault = context.vault_for(Deed::Import, "")?;
    let (export, source) = file::read(path, format)?;
    let now = Context::now();
    let conflicts = match how.on_conflict {
        OnConflict::KeepBoth => Conflicts::KeepBoth,
        OnConflict::Skip => Conflicts::Skip,
        OnConflict::Replace => Conflicts::Replace,
    };
    if how.dry_run {
        let opened = vault.credentials()?;
        let plan = plan::plan(opened.rows, &export.rows, conflicts, now);
        let (export, plan, on_conflict) = (&export, &plan, how.on_conflict);
        let report = Report { export, plan, path, on_conflict, kept: Kept::DryRun };
        return tell(&report, context);
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
    context.announce_change()?;
    let n_written = plan.new.len() + plan.changed.len();
    context.done(&vault, Deed::Import, &count(n_written, "credential"), "");
    drop(vault);
    check(context, &export, &plan, path)?;
    let n_skipped = export.skipped.len() + plan.skipped.len();
    let kept = file::delete(&source, &export, n_skipped, how)?;
    let report = Report { export: &export, plan: &plan, path, on_conflict: how.on_conflict, kept };
    tell(&report, context)
}

/// Reads everything back from the vault: what was not skipped is there as it was.
fn check(context: &Context, export: &Export, plan: &Plan, path: &Path) -> Result<(), Error> {
    let stored = context.vault()?.credentials()?;
    let skipped: Vec<u64> = plan.skipped.iter().map(|one| one.line).collect();
    let missing: Vec<u64> = plan::missing_from(&stored.rows, &export.rows)
        .into_iter()
        .filter(|line| !skipped.contains(line))
        .collect();
    if !missing.is_empty() {
        return Err(Error::Import {
            path: path.to_path_buf(),
            problem: format!("{} of its rows did not come back as they were", missing.len()),
            hint: Some("the file was kept; run `credential-proxy verify`".to_owned()),
        });
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
