//! `context-pack PATH…`: packs and writes the document to stdout or to a file.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use common::cli::OutputArgs;
use common::out::{Color, Out, sanitize};
use common::{Exit, atomic, environment, report};

use super::request;
use crate::cli::{PackArgs, ViewArgs};
use crate::pack::{self, Pack};
use crate::request::Request;
use crate::summary::thousands;
use crate::walk::Progress;
use crate::{Error, TOOL, explain, summary};

pub(super) fn run(args: &PackArgs, view: &ViewArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    let (request, pack) = make(args)?;
    let target = target(args);
    if view.check {
        let path = target.unwrap_or(Path::new("-"));
        let is_same = std::fs::read(path).is_ok_and(|old| old == pack.document.as_bytes());
        return if is_same {
            Ok(Exit::Done)
        } else {
            Err(Error::Outdated { path: path.to_path_buf() }.into())
        };
    }
    if let Some(path) = target {
        atomic::write(path, pack.document.as_bytes(), 0o644)?;
    }
    let mut out = Out::stdout(output.color);
    if view.explain && output.json {
        for object in explain::objects(&pack) {
            out.json(&object)?;
        }
    } else if view.explain {
        out.line(explain::table(&pack))?;
    } else if view.list {
        for file in pack.packed() {
            out.line(&file.name)?;
        }
    } else if target.is_none() {
        out.bytes(pack.document.as_bytes())?;
    }
    out.flush()?;
    said(args, &request, &pack)?;
    if pack.document.is_empty() {
        return Err(Error::NothingFits { asked: request.budget.asked.0, limit: pack.limit }.into());
    }
    Ok(Exit::Done)
}

/// Packs what the arguments ask for.
pub(super) fn make(args: &PackArgs) -> Result<(Request, Pack), Error> {
    let request = request::of(args)?;
    // Cron's own default, when there is no PATH.
    let search_path =
        environment::os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let progress = Progress::default();
    let is_watched = std::io::stderr().is_terminal() && !args.document.quiet;
    let pack = std::thread::scope(|scope| {
        let (done, wait) = mpsc::channel::<()>();
        if is_watched {
            let progress = &progress;
            scope.spawn(move || show_progress(progress, &wait));
        }
        let pack = pack::pack(&request, &search_path, &progress);
        drop(done);
        pack
    })?;
    if !args.document.quiet {
        for problem in &pack.problems {
            report::warn(TOOL, problem);
        }
    }
    Ok((request, pack))
}

/// A line on the terminal once the walk takes over a second, removed when it is done.
fn show_progress(progress: &Progress, wait: &mpsc::Receiver<()>) {
    let mut stderr = std::io::stderr();
    let mut is_shown = false;
    while let Err(mpsc::RecvTimeoutError::Timeout) = wait.recv_timeout(Duration::from_secs(1)) {
        let _ = write!(stderr, "\r{} files and folders seen", thousands(progress.n_seen()));
        let _ = stderr.flush();
        is_shown = true;
    }
    if is_shown {
        let _ = write!(stderr, "\r\u{1b}[K");
    }
}

/// The file that gets the document; stdout when there is none.
pub(super) fn target(args: &PackArgs) -> Option<&Path> {
    args.document.output_file.as_deref().filter(|path| *path != Path::new("-"))
}

/// Tells people what was packed: on a terminal, or when asked; cron would mail it.
pub(super) fn said(args: &PackArgs, request: &Request, pack: &Pack) -> Result<(), Error> {
    if let Some(path) = &args.document.stats {
        let stats = format!("{}\n", explain::stats(pack, request));
        if path == Path::new("-") {
            let mut out = Out::stdout(Color::Never);
            out.bytes(stats.as_bytes())?;
            out.flush()?;
        } else {
            atomic::write(path, stats.as_bytes(), 0o644)?;
        }
    }
    let mut stderr = std::io::stderr();
    if args.document.verbose || (stderr.is_terminal() && !args.document.quiet) {
        for line in summary::lines(pack, request) {
            let _ = writeln!(stderr, "{}", sanitize(&line));
        }
    }
    Ok(())
}
