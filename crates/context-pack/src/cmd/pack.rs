//! `context-pack PATH…`: packs and writes the document to stdout or to a file.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use common::cli::OutputArgs;
use common::out::{Out, sanitize};
use common::{Exit, atomic, environment, report};

use crate::cli::PackArgs;
use crate::pack::{self, Pack};
use crate::request::{Budget, Request};
use crate::{Error, TOOL, summary};

pub(super) fn run(args: &PackArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    let pack = make(args)?;
    if let Some(path) = target(args) {
        atomic::write(path, pack.document.as_bytes(), 0o644)?;
    } else {
        let mut out = Out::stdout(output.color);
        out.bytes(pack.document.as_bytes())?;
        out.flush()?;
    }
    said(args, &pack);
    if pack.document.is_empty() {
        return Err(Error::NothingFits { limit: pack.limit }.into());
    }
    Ok(Exit::Done)
}

/// Packs what the arguments ask for.
pub(super) fn make(args: &PackArgs) -> Result<Pack, Error> {
    let pack = pack::pack(&request(args), &search_path())?;
    if !args.document.quiet {
        for problem in &pack.problems {
            report::warn(TOOL, problem);
        }
    }
    Ok(pack)
}

/// The file that gets the document; stdout when there is none.
pub(super) fn target(args: &PackArgs) -> Option<&Path> {
    args.document.output_file.as_deref().filter(|path| *path != Path::new("-"))
}

/// Tells people what was packed: on a terminal, or when asked; cron would mail it.
pub(super) fn said(args: &PackArgs, pack: &Pack) {
    let mut stderr = std::io::stderr();
    if args.document.verbose || (stderr.is_terminal() && !args.document.quiet) {
        for line in summary::lines(pack) {
            let _ = writeln!(stderr, "{}", sanitize(&line));
        }
    }
}

/// Where git is looked for; cron's own default when there is no PATH.
fn search_path() -> OsString {
    environment::os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

fn request(args: &PackArgs) -> Request {
    let paths = if args.paths.is_empty() { vec![PathBuf::from(".")] } else { args.paths.clone() };
    Request {
        paths,
        budget: Budget { asked: args.budget.budget, tokenizer: args.budget.tokenizer },
        format: args.document.format,
    }
}
