//! `task next`: one node that is ready, under a lease.

use common::exit::Exit;

use super::super::context::Ctx;
use super::described;
use crate::cli::task::Next;
use crate::store;
use crate::store::tasks::{self, Handed, Taking};

pub(super) fn run(args: &Next, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let handed = ctx.write("take a node in", |tx, now| {
        let agent = store::agent(tx, args.agent.as_str())?;
        let taking = Taking {
            run: ctx.run_of(tx, &agent)?,
            agent: agent.agent_id,
            holder: None,
            lease: args.lease,
        };
        tasks::next(tx, args.task.as_deref(), &taking, ctx.here(), now)
    })?;
    ctx.show(&handed, || describe(&handed))?;
    Ok(Exit::Done)
}

fn describe(handed: &Handed) -> String {
    let after: Vec<String> =
        handed.dependencies.iter().map(|above| format!("after {}", above.id)).collect();
    let mut values = vec![
        ("goal", handed.goal.as_ref()),
        ("context", handed.context.as_ref()),
        ("payload", handed.payload.as_ref()),
    ];
    let results = handed.dependencies.iter().map(|above| above.result.as_ref());
    values.extend(after.iter().map(String::as_str).zip(results));
    described(&handed.node, handed.task.as_ref(), &values)
}
