//! `task done`: what came of a node.

use common::exit::Exit;

use super::super::context::Ctx;
use super::super::state::text_of;
use super::Ended;
use crate::cli::task::Done;
use crate::error::Error;
use crate::store::tasks::{self, Outcome};
use crate::value::{Json, Reading};

pub(super) fn run(args: &Done, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let read =
        |text| Json::read(text, Reading::Json).and_then(Json::handed_on).map_err(Error::from);
    let text = args.result.as_deref().map(|text| text_of(text, ctx)).transpose()?;
    let result = text.as_deref().map(read).transpose()?;
    let (node, changed) = ctx.write("end a node in", |tx, now| {
        let (node, lease) = (&args.held.node, &args.held.lease_id);
        tasks::end(tx, node, lease, Outcome::Done(result.as_ref()), ctx.here(), now)
    })?;
    if ctx.json {
        ctx.out.json(&Ended { node: &node, changed })?;
    }
    Ok(Exit::Done)
}
