//! `prune`, and the little of it that other commands do on their way.

use common::exit::Exit;
use serde_json::json;

use super::context::Ctx;
use crate::cli::upkeep::Prune;
use crate::store;
use crate::store::prune::{self, KEEP, Pruned};

pub(crate) fn run(args: &Prune, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let pruned = if args.dry_run {
        ctx.read("count in", |connection, now| {
            Ok(prune::count(connection, now.minus(args.older_than), u32::MAX)?)
        })?
    } else {
        let mut database = ctx.open()?;
        let mut pruned = Pruned::default();
        let mut before = None;
        loop {
            // Each batch is a transaction of its own, so that others come through in between. What is old is
            // settled with the first: what happens meanwhile is not.
            let batch = store::write(&mut database, "prune", |tx, now| {
                let before = *before.get_or_insert_with(|| now.minus(args.older_than));
                let batch = prune::batch(tx, before)?;
                if batch.is_empty() {
                    prune::record(tx, pruned, now)?;
                }
                Ok(batch)
            })?;
            if batch.is_empty() {
                break pruned;
            }
            pruned.add(batch);
        }
    };
    let facts = json!({ "dry_run": args.dry_run, "pruned": pruned });
    ctx.show(&facts, || {
        let verb = if args.dry_run { "would forget" } else { "forgot" };
        let Pruned { runs, events, coordination, actions, tasks } = pruned;
        format!(
            "{verb} {runs} runs, {events} events, {coordination} posts, {actions} actions, {tasks} tasks"
        )
    })?;
    Ok(Exit::Done)
}

/// Forgets a bounded number of old rows. What it meets is no failure of the command.
pub(super) fn on_the_way(ctx: &Ctx) {
    let _ = ctx.write("prune", |tx, now| {
        let pruned = prune::batch(tx, now.minus(KEEP))?;
        Ok(prune::record(tx, pruned, now)?)
    });
}
