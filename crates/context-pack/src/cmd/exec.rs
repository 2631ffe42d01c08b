//! `context-pack exec PATH… -- CMD…`: packs, then runs CMD with the document.
//!
//! The document is a file before the child starts, so a child that never reads its stdin does not
//! hang, and one that reads it twice can seek.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use common::child::Supervisor;
use common::cli::OutputArgs;
use common::error::file;
use common::{Exit, report};

use super::delivery::Delivery;
use super::handed::Handed;
use super::pack;
use crate::cli::ExecArgs;
use crate::{Error, TOOL};

pub(super) fn run(args: &ExecArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    let (document, command) = match prepare(args) {
        Ok(prepared) => prepared,
        Err(error) => {
            // Whatever went wrong, the command was not started, and only 125 says that.
            report::fail::<Error>(TOOL, output.json, &error.into());
            return Ok(Exit::NotStarted);
        }
    };
    let fate = Supervisor::new().start(command)?.wait()?;
    drop(document);
    Ok(fate.exit())
}

/// Packs, writes the document, and builds the command; the file lives as long as the first value.
fn prepare(args: &ExecArgs) -> Result<(Option<Handed>, Command), Error> {
    let (request, pack) = pack::make(&args.pack)?;
    if pack.document.is_empty() {
        return Err(pack::nothing_fits(&request, &pack));
    }
    let mut delivery = Delivery::default();
    pack::put_stats(&mut delivery, &args.pack, &request, &pack)?;
    let private = match pack::target(&args.pack) {
        Some(path) => {
            delivery.put(Some(path), pack.document.as_bytes())?;
            None
        }
        None => Some(Handed::of(&pack.document, request.format)?),
    };
    delivery.deliver()?;
    let path = match &private {
        Some(copy) => copy.path(),
        None => pack::target(&args.pack).unwrap_or(Path::new("-")),
    };
    let path = std::path::absolute(path).map_err(file("find", path))?;
    let stdin = match &private {
        Some(copy) => copy.as_stdin()?,
        None => File::open(&path).map_err(file("open", &path))?,
    };
    let mut words = args.command.iter();
    let mut command = Command::new(words.next().cloned().unwrap_or_default());
    command.args(words);
    command.stdin(stdin);
    command.env("CONTEXT_PACK_FILE", &path);
    pack::summarize(&args.pack, &request, &pack);
    Ok((private, command))
}
