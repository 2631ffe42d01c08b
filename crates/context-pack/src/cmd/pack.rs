//! `context-pack PATH…`: packs and writes the document to stdout or to a file.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use common::cli::OutputArgs;
use common::error::file;
use common::out::sanitize;
use common::{Exit, environment, report};

use super::delivery::{Delivery, file_at};
use super::request;
use crate::cli::{PackArgs, ViewArgs};
use crate::pack::{self, Pack};
use crate::request::Request;
use crate::summary::thousands;
use crate::walk::Progress;
use crate::{Error, TOOL, explain, summary};

pub(super) fn run(args: &PackArgs, view: &ViewArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    if view.check && target(args).is_none() {
        return Err(Error::NothingToCompare.into());
    }
    let (request, pack) = make(args)?;
    let nothing_fits = pack.document.is_empty().then(|| nothing_fits(&request, &pack));
    let mut delivery = Delivery::default();
    // An empty document is an honest no, and takes nobody's old one away.
    if !view.check && (nothing_fits.is_none() || target(args).is_none()) {
        delivery.put(target(args), &content(&pack, view, output.json))?;
    }
    put_stats(&mut delivery, args, &request, &pack)?;
    delivery.deliver()?;
    summarize(args, &request, &pack);
    if let Some(error) = nothing_fits {
        return Err(error.into());
    }
    if let Some(path) = target(args).filter(|_| view.check) {
        compare(path, &pack)?;
    }
    Ok(Exit::Done)
}

/// The document, or what was asked for instead.
fn content(pack: &Pack, view: &ViewArgs, is_json: bool) -> Vec<u8> {
    match (view.explain, view.list) {
        (true, _) if is_json => explain::objects(pack).into_bytes(),
        (true, _) => format!("{}\n", explain::table(pack)).into_bytes(),
        (_, true) if is_json => format!("{}\n", explain::list(pack)).into_bytes(),
        (_, true) if view.null => explain::raw_names(pack),
        (_, true) => {
            pack.packed().flat_map(|file| [&file.name, "\n"]).collect::<String>().into_bytes()
        }
        _ => pack.document.clone().into_bytes(),
    }
}

/// Whether the document at `path` is this one; what is there and cannot be compared is a failure.
fn compare(path: &Path, pack: &Pack) -> Result<(), Error> {
    let is_same = match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            return Err(Error::NotComparable { path: path.to_path_buf() });
        }
        Ok(_) => std::fs::read(path).map_err(file("read", path))? == pack.document.as_bytes(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(file("read", path)(error).into()),
    };
    if is_same { Ok(()) } else { Err(Error::Outdated { path: path.to_path_buf() }) }
}

/// Why there is no document.
pub(super) fn nothing_fits(request: &Request, pack: &Pack) -> Error {
    Error::NothingFits { asked: request.budget.asked.0, limit: pack.limit }
}

/// Packs what the arguments ask for.
pub(super) fn make(args: &PackArgs) -> Result<(Request, Pack), Error> {
    let request = request::of(args)?;
    // Cron's own default, when there is no PATH.
    let search_path =
        environment::os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let progress = Progress::default();
    let is_watched = io::stderr().is_terminal() && !args.document.quiet;
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
    let mut stderr = io::stderr();
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
    file_at(args.document.output_file.as_deref())
}

/// Adds the facts for programs to what is written, when they are asked for.
pub(super) fn put_stats(
    delivery: &mut Delivery,
    args: &PackArgs,
    request: &Request,
    pack: &Pack,
) -> Result<(), Error> {
    let Some(path) = args.document.stats.as_deref() else { return Ok(()) };
    let stats = format!("{}\n", explain::stats(pack, request));
    delivery.put(file_at(Some(path)), stats.as_bytes())
}

/// Tells people what was packed: on a terminal, or when asked; cron would mail it.
pub(super) fn summarize(args: &PackArgs, request: &Request, pack: &Pack) {
    let mut stderr = io::stderr();
    if args.document.verbose || (stderr.is_terminal() && !args.document.quiet) {
        for line in summary::lines(pack, request) {
            let _ = writeln!(stderr, "{}", sanitize(&line));
        }
    }
}
