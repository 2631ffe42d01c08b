//! `task next`: one node that is ready, under a lease.

use common::exit::Exit;
use common::table::Columns;

use super::super::context::Ctx;
use super::rows;
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
    let node = &handed.node;
    let task = handed.task.as_ref().unwrap_or(&node.task_id);
    let mut table = Columns::new(["node", &common::out::sanitize(&node.id)]);
    table.row(["task".to_owned(), task.clone()]);
    rows(&mut table, node);
    let mut add = |label: &str, value: &Option<crate::value::Json>| {
        if let Some(value) = value {
            table.row([label.to_owned(), value.as_str().to_owned()]);
        }
    };
    add("goal", &handed.goal);
    add("context", &handed.context);
    add("payload", &handed.payload);
    for above in &handed.dependencies {
        add(&format!("after {}", above.id), &above.result);
    }
    table.render()
}
