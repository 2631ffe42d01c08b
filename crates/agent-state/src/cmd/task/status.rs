//! `task status`: a task with its nodes, as a tree, as JSON, or for graphviz.

use common::clock::Timestamp;
use common::exit::Exit;
use common::out::{Tone, sanitize};
use serde::Serialize;
use serde_json::json;

use super::super::context::Ctx;
use super::tone;
use crate::cli::task::Status;
use crate::store::tasks;
use crate::task::tree::{self, said};
use crate::task::{Node, Task, View, dot};

/// A task as JSON shows it.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    task: &'a Task,
    nodes: Vec<NodeFacts<'a>>,
}

#[derive(Serialize)]
struct NodeFacts<'a> {
    #[serde(flatten)]
    node: &'a Node,
    after: Vec<&'a str>,
}

pub(super) fn run(args: &Status, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    let (view, now) = ctx.read("read a task in", |connection, now| {
        Ok((tasks::view(connection, &args.task, ctx.here(), now)?, now))
    })?;
    if args.dot {
        let dot = dot::render(&view);
        ctx.show(&json!({ "task_id": view.task.task_id, "dot": dot }), || dot.clone())?;
    } else if ctx.json {
        ctx.out.json(&document(&view))?;
    } else {
        let text = for_people(&view, ctx, now);
        ctx.out.line(text)?;
    }
    Ok(Exit::Done)
}

fn document(view: &View) -> Document<'_> {
    let ids = |places: &[usize]| {
        places
            .iter()
            .filter_map(|place| view.nodes.get(*place))
            .map(|node| node.id.as_str())
            .collect()
    };
    Document {
        task: &view.task,
        nodes: view
            .nodes
            .iter()
            .zip(&view.after)
            .map(|(node, after)| NodeFacts { node, after: ids(after) })
            .collect(),
    }
}

fn for_people(view: &View, ctx: &Ctx, now: Timestamp) -> String {
    let Task { state, reason, counts, .. } = &view.task;
    let paint = |tone: Option<Tone>, text: &str| match tone {
        Some(tone) => ctx.out.paint(tone, text),
        None => text.to_owned(),
    };
    let title = ctx.out.paint(Tone::Strong, &sanitize(view.task.title()));
    let mut lines =
        vec![format!("{title}  {}: {}", paint(tone(*state), state.as_str()), said(*counts))];
    lines.extend(reason.as_ref().map(|reason| sanitize(reason).into_owned()));
    lines.extend(tree::render(view, now).into_iter().map(|line| {
        let tone = line.state.map_or(Some(Tone::Faint), tone);
        format!("{}{}", line.branch, paint(tone, &line.text))
    }));
    lines.join("\n")
}
