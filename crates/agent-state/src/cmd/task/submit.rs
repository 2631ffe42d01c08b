//! `task submit`: a graph of work, taken in whole or not at all.

use std::fs::File;
use std::io::Read;

use common::error::file;
use common::exit::Exit;

use super::super::context::Ctx;
use crate::cli::task::Submit;
use crate::error::Error;
use crate::store::tasks;
use crate::task::graph::{Graph, MAX_TEXT};

pub(super) fn run(args: &Submit, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let graph = Graph::read(&text(&args.file, ctx)?).map_err(Error::from)?;
    let name = args.name.as_ref().map(AsRef::as_ref);
    let task = ctx.write("submit a task to", |tx, now| {
        tasks::submit(tx, &graph, name, ctx.outer_run.as_ref(), now)
    })?;
    ctx.show(&task, || task.task_id.clone())?;
    Ok(Exit::Done)
}

/// The graph itself, which begins as JSON does, or what a file or stdin holds: no more than a graph may have.
fn text(named: &str, ctx: &Ctx) -> anyhow::Result<Vec<u8>> {
    if named.trim_start().starts_with(['{', '[']) {
        return Ok(named.as_bytes().to_vec());
    }
    if ctx.is_stdin(named) {
        return Ok(read(&mut ctx.stdin()).map_err(file("read", "standard input"))?);
    }
    let read = File::open(named).and_then(|mut file| read(&mut file));
    Ok(read.map_err(file("read the graph", named))?)
}

fn read(source: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX).saturating_add(1);
    source.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
