//! `task show`: one node with all that is known of it.

use common::exit::Exit;

use super::super::context::Ctx;
use super::described;
use crate::cli::task::Show;
use crate::store::tasks::{self, Details};

pub(super) fn run(args: &Show, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let details = ctx.read("read a node in", |connection, now| {
        tasks::details(connection, &args.node, ctx.here(), now)
    })?;
    ctx.show(&details, || describe(&details))?;
    Ok(Exit::Done)
}

fn describe(details: &Details) -> String {
    let values = [("payload", details.payload.as_ref()), ("result", details.result.as_ref())];
    described(&details.node, details.task.as_ref(), &values)
}
