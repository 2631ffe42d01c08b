//! `task heartbeat`: the agent is still at its node.

use common::exit::Exit;

use super::super::context::Ctx;
use crate::cli::task::Heartbeat;
use crate::error::Error;
use crate::store::tasks;
use crate::value::{Json, Reading};

pub(super) fn run(args: &Heartbeat, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let read = |text: &String| {
        Json::read(text, Reading::Guess).and_then(Json::handed_on).map_err(Error::from)
    };
    let progress = args.progress.as_ref().map(read).transpose()?;
    let node = ctx.write("note a heartbeat in", |tx, now| {
        let (node, lease) = (&args.held.node, &args.held.lease_id);
        tasks::heartbeat(tx, node, lease, progress.as_ref(), ctx.here(), now)
    })?;
    if ctx.json {
        ctx.out.json(&node)?;
    }
    Ok(Exit::Done)
}
