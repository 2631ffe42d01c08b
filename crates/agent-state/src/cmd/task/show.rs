//! `task show`: one node with all that is known of it.

use common::exit::Exit;
use common::out::sanitize;
use common::table::Columns;

use super::super::context::Ctx;
use super::rows;
use crate::cli::task::Show;
use crate::store::tasks::{self, Details};
use crate::value::Json;

pub(super) fn run(args: &Show, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let details = ctx.read("read a node in", |connection, now| {
        tasks::details(connection, &args.node, ctx.here(), now)
    })?;
    ctx.show(&details, || describe(&details))?;
    Ok(Exit::Done)
}

fn describe(details: &Details) -> String {
    let node = &details.node;
    let mut table = Columns::new(["node", &sanitize(&node.id)]);
    table.row(["task".to_owned(), details.task.as_ref().unwrap_or(&node.task_id).clone()]);
    rows(&mut table, node);
    let mut add = |label: &str, value: Option<&Json>| {
        if let Some(value) = value {
            table.row([label.to_owned(), value.as_str().to_owned()]);
        }
    };
    add("payload", details.payload.as_ref());
    add("result", details.result.as_ref());
    table.render()
}
