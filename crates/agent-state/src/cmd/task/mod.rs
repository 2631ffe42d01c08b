//! `task …`: graphs of work.

mod cancel;
mod done;
mod exec;
mod fail;
mod heartbeat;
mod list;
mod next;
mod show;
mod status;
mod submit;

use common::exit::Exit;
use common::out::{Tone, sanitize};
use common::table::Columns;
use serde::Serialize;

use super::context::Ctx;
use crate::cli::task::Verb;
use crate::task::{Node, State};
use crate::value::Json;

pub(crate) fn run(verb: &Verb, ctx: &mut Ctx) -> anyhow::Result<Exit> {
    match verb {
        Verb::Submit(args) => submit::run(args, ctx),
        Verb::Next(args) => next::run(args, ctx),
        Verb::Heartbeat(args) => heartbeat::run(args, ctx),
        Verb::Done(args) => done::run(args, ctx),
        Verb::Fail(args) => fail::run(args, ctx),
        Verb::Status(args) => status::run(args, ctx),
        Verb::List(args) => list::run(args, ctx),
        Verb::Show(args) => show::run(args, ctx),
        Verb::Cancel(args) => cancel::run(args, ctx),
        Verb::Exec(args) => Ok(exec::run(args, ctx)),
    }
}

/// The answer of the verbs that end an attempt.
#[derive(Serialize)]
struct Ended<'a> {
    #[serde(flatten)]
    node: &'a Node,
    /// Whether this changed anything, or had been said before.
    changed: bool,
}

/// A node for people: its task (by its name where it has one), its facts, then what it was given and gave.
fn described(node: &Node, task: Option<&String>, values: &[(&str, Option<&Json>)]) -> String {
    let mut table = Columns::new(["node", &sanitize(&node.id)]);
    let mut add = |label: &str, value: Option<String>| {
        if let Some(value) = value {
            table.row([label.to_owned(), value]);
        }
    };
    let waits = (node.state == State::Pending && node.waiting_for > 0)
        .then(|| format!("for {}", node.waiting_for));
    add("task", Some(task.unwrap_or(&node.task_id).clone()));
    add("node id", Some(node.node_id.clone()));
    add("state", Some(node.state.as_str().to_owned()));
    add("waits", waits);
    add("attempt", Some(format!("{} of {}", node.attempts, node.max_attempts)));
    add("agent", node.agent.clone());
    add("run", node.run_id.as_ref().map(ToString::to_string));
    add("lease", node.lease_id.clone());
    let until = node.lease_until.filter(|_| node.state == State::Running);
    add("lease until", until.map(|at| at.to_string()));
    add("ended", node.ended_at.map(|at| at.to_string()));
    add("reason", node.reason.clone());
    add("error", node.error.clone());
    add("blocked by", node.blocked_by.clone());
    for (label, value) in values {
        add(label, value.map(|value| value.as_str().to_owned()));
    }
    table.render()
}

/// The color of a state.
fn tone(state: State) -> Option<Tone> {
    match state {
        State::Completed => Some(Tone::Good),
        State::Running => Some(Tone::Strong),
        State::Failed => Some(Tone::Bad),
        State::Blocked => Some(Tone::Warning),
        State::Pending => None,
    }
}
