//! `task list`: the tasks, newest first.

use common::exit::Exit;
use common::table::Columns;

use super::super::context::Ctx;
use crate::cli::task::List;
use crate::store::tasks;

pub(super) fn run(args: &List, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let (tasks, now) = ctx.read("list tasks in", |connection, now| {
        Ok((tasks::list(connection, args.state(), args.limit, ctx.here(), now)?, now))
    })?;
    if ctx.json {
        for task in &tasks {
            ctx.out.json(task)?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Columns::new(["TASK", "NAME", "STATE", "DONE", "SUBMITTED", "NOTE"]);
    for task in tasks {
        table.row([
            task.task_id,
            task.name.unwrap_or_else(|| "-".to_owned()),
            task.state.as_str().to_owned(),
            format!("{}/{}", task.counts.completed, task.n_nodes),
            ctx.moment(task.submitted_at, now),
            task.reason.unwrap_or_default(),
        ]);
    }
    ctx.out.line(table.render())?;
    Ok(Exit::Done)
}
