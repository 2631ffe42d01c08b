//! `task cancel`: nothing more of a task is given out.

use common::exit::Exit;

use super::super::context::Ctx;
use crate::cli::task::Cancel;
use crate::store::tasks;

pub(super) fn run(args: &Cancel, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let task = ctx.write("cancel a task in", |tx, now| tasks::cancel(tx, &args.task, now))?;
    if ctx.json {
        ctx.out.json(&task)?;
    }
    Ok(Exit::Done)
}
