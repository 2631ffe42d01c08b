//! `task exec`: a command that does a node.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::process::Stdio;

use common::child::End;
use common::error::file;
use common::exit::Exit;
use common::fleet::liveness::Holder;
use common::fleet::{AGENT_ID_VARIABLE, AGENT_VARIABLE};
use common::report;
use serde_json::json;
use tempfile::NamedTempFile;

use super::super::context::Ctx;
use super::super::exec::agent;
use super::super::keeper::Keeper;
use super::super::wrap::{self, Ended, Terms};
use crate::TOOL;
use crate::cli::task::Exec;
use crate::error::Error;
use crate::store::tasks::{self, Handed, Outcome, Taking};
use crate::task::{Node, State};
use crate::value::{Json, MAX_BYTES, Reading};

pub(super) fn run(args: &Exec, ctx: &mut Ctx) -> Exit {
    wrap::guarded(ctx, |ctx| {
        let handed = ctx.write("take a node in", |tx, now| {
            let agent = agent(tx, args.agent.as_str(), now)?;
            let taking = Taking {
                run: ctx.run_of(tx, &agent)?,
                agent: agent.agent_id,
                holder: Holder::this_process(ctx.here()),
                lease: args.lease,
            };
            tasks::next(tx, args.task.as_deref(), &taking, ctx.here(), now)
        })?;
        match run_on(args, ctx, &handed) {
            Ok(ended) => {
                let recorded = record(args, ctx, &handed.node, &ended);
                if let Err(error) = recorded {
                    // The command has run, and its code is what the caller asked for.
                    report::fail::<Error>(TOOL, ctx.json, &error);
                }
                Ok(ended.fate.exit())
            }
            Err(error) => {
                // The first error is the one to report; a node that stays taken lapses with this process.
                let _ = ctx.record("give a node back in", |tx, now| {
                    tasks::give_back(tx, &handed.node, ctx.here(), now)
                });
                Err(error)
            }
        }
    })
}

fn run_on(args: &Exec, ctx: &Ctx, handed: &Handed) -> anyhow::Result<Ended> {
    let node = &handed.node;
    let document = document(handed)?;
    let mut command = wrap::command(&args.command, ctx);
    command
        .stdin(Stdio::from(stdin(handed)?))
        .env("AGENT_STATE_NODE_FILE", document.path())
        .env("AGENT_STATE_TASK_ID", &node.task_id)
        .env("AGENT_STATE_NODE_ID", &node.node_id)
        .env("AGENT_STATE_NODE", &node.id)
        .env("AGENT_STATE_LEASE_ID", node.lease_id.as_deref().unwrap_or_default())
        .env("AGENT_STATE_ATTEMPT", node.attempts.to_string())
        .env(AGENT_VARIABLE, node.agent.as_deref().unwrap_or_default())
        .env(AGENT_ID_VARIABLE, node.agent_id.as_ref().map_or("", |agent| agent.as_str()));
    let keeper = Keeper::new(ctx).with_node(node, args.lease);
    let terms = Terms {
        timeout: args.timeout,
        log: None,
        keep_tail: true,
        keep_stdout: args.result_from_stdout.then_some(MAX_BYTES),
    };
    wrap::run(command, &terms, keeper)
}

/// The payload as a file without a name: a command that does not read it stops nobody.
fn stdin(handed: &Handed) -> Result<File, common::Error> {
    let text = handed.payload.as_ref().map_or("null", Json::as_str);
    let fill = || {
        let mut file = tempfile::tempfile()?;
        writeln!(file, "{text}")?;
        file.rewind()?;
        Ok(file)
    };
    fill().map_err(file("write the payload to", std::env::temp_dir()))
}

/// All that is known of the node, in a private file that goes away with this process.
fn document(handed: &Handed) -> Result<NamedTempFile, common::Error> {
    let fill = || {
        let mut file =
            tempfile::Builder::new().prefix("agent-state-node-").suffix(".json").tempfile()?;
        serde_json::to_writer(&mut file, handed)?;
        file.flush()?;
        Ok(file)
    };
    fill().map_err(file("describe the node in", std::env::temp_dir()))
}

/// Records what came of the node, unless the command did so itself or the lease is lost.
fn record(args: &Exec, ctx: &Ctx, node: &Node, ended: &Ended) -> anyhow::Result<()> {
    if ended.lost_lock {
        report::warn(
            TOOL,
            &format!("the lease of `{}` was lost, so the command was ended", node.id),
        );
        return Ok(());
    }
    let result = result_of(args, ended);
    let failure = match (failure_of(ended), &result) {
        (None, Err(no_result)) => {
            // The command itself is content, so that nothing else would say it.
            report::warn(TOOL, &format!("`{}` has failed: {no_result}", node.id));
            Some(no_result.clone())
        }
        (failure, _) => failure,
    };
    // Who ended the command from outside said nothing about the node.
    let was_stopped = ended.fate.stopped_by().is_some();
    let outcome = match &failure {
        None => Outcome::Done(result.as_ref().ok()),
        Some(error) => Outcome::Failed { error: Some(error), retry: args.retry || was_stopped },
    };
    ctx.record("end a node in", |tx, now| {
        let lease_id = node.lease_id.as_deref().unwrap_or_default();
        let now_is = tasks::node(tx, &node.node_id)?;
        let is_ended =
            now_is.state != State::Running && now_is.lease_id.as_deref() == Some(lease_id);
        if !is_ended {
            tasks::end(tx, &node.node_id, lease_id, outcome, ctx.here(), now)?;
        }
        Ok(())
    })
}

/// What the nodes that come after it get.
fn result_of(args: &Exec, ended: &Ended) -> Result<Json, String> {
    if !args.result_from_stdout {
        return Ok(Json::from(json!({ "exit_code": 0 }).to_string()));
    }
    let text = String::from_utf8_lossy(&ended.stdout);
    Json::read(text.trim_end_matches('\n'), Reading::Guess)
        .and_then(Json::handed_on)
        .map_err(|error| format!("what it printed is no result: {error}"))
}

/// Why the command did not do its node: its code or signal, and its last words.
fn failure_of(ended: &Ended) -> Option<String> {
    const MOST: usize = 500;
    let why = match ended.fate.end {
        _ if ended.fate.timed_out => "timed out".to_owned(),
        End::Code(0) => return None,
        End::Code(code) => format!("exit code {code}"),
        End::Signal(signal) => format!("killed by signal {signal}"),
    };
    let tail = ended.stderr_tail.as_deref().unwrap_or_default();
    match tail.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => {
            Some(format!("{why}: {}", line.trim().chars().take(MOST).collect::<String>()))
        }
        None => Some(why),
    }
}
