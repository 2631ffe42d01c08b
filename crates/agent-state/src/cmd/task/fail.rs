//! `task fail`: a node that did not work out.

use common::exit::Exit;

use super::super::context::Ctx;
use super::Ended;
use crate::cli::task::Fail;
use crate::error::Error;
use crate::store::tasks::{self, Outcome};
use crate::value::{MAX_BYTES, ValueError};

pub(super) fn run(args: &Fail, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let error = args.error.as_deref();
    if error.is_some_and(|text| text.len() > MAX_BYTES) {
        return Err(Error::from(ValueError::TooLarge).into());
    }
    let (node, changed) = ctx.write("end a node in", |tx, now| {
        let (node, lease) = (&args.held.node, &args.held.lease_id);
        let outcome = Outcome::Failed { error, retry: args.retry };
        tasks::end(tx, node, lease, outcome, ctx.here(), now)
    })?;
    if ctx.json {
        ctx.out.json(&Ended { node: &node, changed })?;
    }
    Ok(Exit::Done)
}
